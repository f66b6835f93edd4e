/**
 * Record batches, format version 2, as they are in a log, in a fetch and in a produce request.
 *
 * Written here rather than by the client library, which reads an absent key or value as empty bytes and cannot write one:
 * a tombstone would not be a tombstone.
 */
import { crc32c } from '@platformatic/kafka';
import { KafkaRecordError } from '../errors.js';
import { compress, compressionBits, decompress, type KafkaCompression } from './compression.js';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

/** A header. The same key may come several times. */
export interface KafkaHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** Offset and length, which the length does not count. */
const PREFIX_BYTES = 12;
/** Everything before the records. */
const HEADER_BYTES = 61;
/** What the checksum covers begins here. */
const CHECKED_FROM = 21;

const COMPRESSION = 0b0000_0111;
const LOG_APPEND_TIME = 0b0000_1000;
const TRANSACTIONAL = 0b0001_0000;
const CONTROL = 0b0010_0000;

/** A batch, its records still packed. */
export interface RecordBatch {
  readonly baseOffset: number;
  /** Also of records that compaction has taken away. */
  readonly lastOffset: number;
  readonly baseTimestamp: number;
  /** The one time of all records where the broker sets it, otherwise undefined. */
  readonly appendTimestamp: number | undefined;
  /** -1 without. */
  readonly producerId: number;
  readonly isTransactional: boolean;
  /** Says how a transaction ended; holds nothing for readers. */
  readonly isControl: boolean;
  readonly recordCount: number;
  readonly compressionBits: number;
  readonly packedRecords: Buffer;
}

/** Takes a fetched part of a log apart. A batch that is cut off at its end is left out: the next fetch has it. */
export function readBatches(log: Buffer): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; log.length - at >= PREFIX_BYTES;) {
    const end = at + PREFIX_BYTES + log.readInt32BE(at + 8);
    if (end > log.length) break;
    batches.push(readBatch(log.subarray(at, end)));
    at = end;
  }
  return batches;
}

function readBatch(bytes: Buffer): RecordBatch {
  const r = new WireReader(bytes);
  const baseOffset = r.int64();
  r.position = 16;
  const magic = r.int8();
  if (magic !== 2) {
    throw new KafkaRecordError(
      `The batch at offset ${baseOffset} has message format ${magic}; only format 2 (Kafka 0.11 and later) can be read. ` +
        'Copy the topic with a current producer.',
      { details: { offset: baseOffset, magic } },
    );
  }
  const checksum = r.uint32();
  if (crc32c(bytes.subarray(CHECKED_FROM)) !== checksum) {
    throw new KafkaRecordError(
      `The batch at offset ${baseOffset} does not have the checksum it says: it was damaged in the log or on its way. ` +
        "If it is so after another try, repair the broker's log, or start behind it.",
      { details: { offset: baseOffset } },
    );
  }
  const attributes = r.int16();
  const lastOffset = baseOffset + r.int32();
  const baseTimestamp = r.int64();
  const maxTimestamp = r.int64();
  const producerId = r.int64();
  r.position = HEADER_BYTES - 4;
  return {
    baseOffset,
    lastOffset,
    baseTimestamp,
    appendTimestamp: (attributes & LOG_APPEND_TIME) === 0 ? undefined : maxTimestamp,
    producerId,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    recordCount: r.int32(),
    compressionBits: attributes & COMPRESSION,
    packedRecords: bytes.subarray(HEADER_BYTES),
  };
}

/** Goes through the records of a batch, one at a time. */
export class RecordCursor {
  readonly #batch: RecordBatch;
  readonly #reader: WireReader;
  #left: number;
  offset = 0;
  timestamp = 0;
  /** Views of the fetched bytes. */
  key: Buffer | null = null;
  value: Buffer | null = null;
  headers: readonly KafkaHeader[] = NO_HEADERS;

  constructor(batch: RecordBatch) {
    this.#batch = batch;
    this.#reader = new WireReader(decompress(batch.compressionBits, batch.packedRecords));
    this.#left = batch.recordCount;
  }

  /** False at the end; otherwise the fields are those of the next record. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    const r = this.#reader;
    const { baseOffset, baseTimestamp, appendTimestamp } = this.#batch;
    r.varint(); // length
    r.int8(); // attributes: none yet
    const timestampDelta = r.varint();
    this.offset = baseOffset + r.varint();
    this.timestamp = appendTimestamp ?? baseTimestamp + timestampDelta;
    this.key = r.varintBytes();
    this.value = r.varintBytes();
    this.headers = this.#readHeaders(r.varint());
    return true;
  }

  #readHeaders(count: number): readonly KafkaHeader[] {
    if (count === 0) return NO_HEADERS;
    const headers: KafkaHeader[] = [];
    for (let i = 0; i < count; i++) {
      headers.push({
        key: this.#reader.varintBytes()?.toString('utf8') ?? '',
        value: this.#reader.varintBytes(),
      });
    }
    return headers;
  }
}

const NO_HEADERS: readonly KafkaHeader[] = [];

/** What a control batch says: whether its producer's transaction was aborted. */
export function isAbortMarker(batch: RecordBatch): boolean {
  const cursor = new RecordCursor(batch);
  if (!cursor.next() || cursor.key === null) return false;
  return cursor.key.readInt16BE(2) === 0; // after the version: 0 abort, 1 commit
}

export interface RecordToWrite {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
  /** Epoch milliseconds. */
  readonly timestamp: number;
}

/** The records of one partition, encoded as they come. */
export class RecordBatchBuilder {
  readonly #records: WireWriter;
  readonly #one = new WireWriter();
  #count = 0;
  /** What the writers of this batch have counted for it. */
  heldBytes = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(expectedBytes = 1024) {
    this.#records = new WireWriter(expectedBytes);
  }

  get recordCount(): number {
    return this.#count;
  }

  get byteLength(): number {
    return HEADER_BYTES + this.#records.length;
  }

  append({ key, value, headers, timestamp }: RecordToWrite): void {
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp;
    else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    const one = this.#one;
    one.clear();
    one
      .int8(0)
      .varint(timestamp - this.#baseTimestamp)
      .varint(this.#count++)
      .varintBytes(key)
      .varintBytes(value)
      .varint(headers.length);
    for (const header of headers) one.varintBytes(Buffer.from(header.key)).varintBytes(header.value);
    this.#records.varint(one.length).raw(one.bytes);
  }

  /** The batch as it is sent. The same arguments give the same bytes: a repeated batch is recognised by its sequence. */
  build(options: {
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly baseSequence: number;
    readonly isTransactional: boolean;
    readonly compression: KafkaCompression;
  }): Buffer {
    const packed = compress(options.compression, this.#records.bytes);
    const attributes = compressionBits(options.compression) | (options.isTransactional ? TRANSACTIONAL : 0);
    const w = new WireWriter(HEADER_BYTES + packed.length)
      .int64(0) // the broker gives offsets
      .int32(HEADER_BYTES - PREFIX_BYTES + packed.length)
      .int32(-1) // leader epoch
      .int8(2)
      .int32(0) // checksum, below
      .int16(attributes)
      .int32(this.#count - 1)
      .int64(this.#baseTimestamp)
      .int64(this.#maxTimestamp)
      .int64(options.producerId)
      .int16(options.producerEpoch)
      .int32(options.baseSequence)
      .int32(this.#count)
      .raw(packed);
    const { bytes } = w;
    bytes.writeUInt32BE(crc32c(bytes.subarray(CHECKED_FROM)), CHECKED_FROM - 4);
    return bytes;
  }
}
