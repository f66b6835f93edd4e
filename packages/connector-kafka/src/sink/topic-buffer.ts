import { KafkaRecordError } from '../errors.js';
import { partitionOfKey } from '../protocol/murmur2.js';
import { RecordBatchBuilder, type RecordToWrite } from '../protocol/record-batch.js';

interface OutputRecord extends RecordToWrite {
  readonly partition: number | undefined;
}

/** Records without a key stay with a partition for so many bytes, or until they are sent: few batches rather than many. */
const STICKY_BYTES = 65_536;

/**
 * What waits to be sent to one topic: batches by partition, in the order of the records. Until the topic's partitions are
 * known, records wait as they came.
 */
export class TopicBuffer {
  readonly name: string;
  routedAtMs = -Infinity;
  readonly #maxBatchBytes: number;
  readonly #partitions = new Map<number, RecordBatchBuilder[]>();
  #partitionCount = 0;
  #unrouted: OutputRecord[] = [];
  #sticky = 0;
  #stickyBytes = 0;

  constructor(name: string, maxBatchBytes: number) {
    this.name = name;
    this.#maxBatchBytes = maxBatchBytes;
  }

  get isRouted(): boolean {
    return this.#partitionCount > 0;
  }

  get isEmpty(): boolean {
    return this.#unrouted.length === 0 && this.#partitions.size === 0;
  }

  /** Records that come from now on know so many partitions. */
  route(partitionCount: number, nowMs = 0): void {
    this.routedAtMs = nowMs;
    this.#partitionCount = partitionCount;
    const waiting = this.#unrouted;
    this.#unrouted = [];
    for (const record of waiting) this.add(record);
  }

  add(record: OutputRecord): void {
    if (!this.isRouted) {
      // Copied, as batches do it: a serializer may use its bytes again.
      this.#unrouted.push({ ...record, key: copyOf(record.key), value: copyOf(record.value) });
      return;
    }
    const partition = this.#partitionOf(record);
    let batches = this.#partitions.get(partition);
    if (batches === undefined) this.#partitions.set(partition, (batches = []));
    let last = batches.at(-1);
    if (last === undefined || last.byteLength + sizeOf(record) > this.#maxBatchBytes) {
      last = new RecordBatchBuilder();
      batches.push(last);
    }
    last.append(record);
    last.heldBytes += sizeOf(record);
  }

  /** Partitions that have something to send. */
  waiting(): Iterable<number> {
    return this.#partitions.keys();
  }

  /** The oldest batch of a partition, which is closed by that. */
  take(partition: number): RecordBatchBuilder {
    if (partition === this.#sticky % this.#partitionCount) this.#moveOn();
    const batches = this.#partitions.get(partition)!;
    const first = batches.shift()!;
    if (batches.length === 0) this.#partitions.delete(partition);
    return first;
  }

  #partitionOf(record: OutputRecord): number {
    const count = this.#partitionCount;
    const { partition, key } = record;
    if (partition !== undefined) {
      if (Number.isInteger(partition) && partition >= 0 && partition < count) return partition;
      throw new KafkaRecordError(
        `A record is for partition ${partition} of '${this.name}', which has 0 to ${count - 1}. Mend the serializer's partition.`,
        { details: { topic: this.name, partition } },
      );
    }
    if (key !== null) return partitionOfKey(key, count);
    this.#stickyBytes += sizeOf(record);
    if (this.#stickyBytes > STICKY_BYTES) this.#moveOn();
    return this.#sticky % count;
  }

  #moveOn(): void {
    this.#stickyBytes = 0;
    this.#sticky++;
  }
}

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Buffer.from(bytes);
}

/** About what it takes in a batch. */
export function sizeOf({ key, value, headers }: RecordToWrite): number {
  let size = 24 + (key?.length ?? 0) + (value?.length ?? 0);
  for (const header of headers) size += 8 + header.key.length + (header.value?.length ?? 0);
  return size;
}
