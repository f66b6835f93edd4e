/**
 * One partition of a reader: its position, and what was fetched behind it.
 *
 * Invariants
 * 1. `position` is that of the next record to emit. It moves with emitted records, and over what holds none: control
 *    batches, aborted transactions, records that compaction has taken away, also where none comes after them.
 * 2. What is fetched follows on what is buffered: an answer to any other offset is dropped.
 * 3. Records below the position, which a batch can begin with, are passed over.
 * 4. The position is one in the topic with `topicId`. `fetchTopicId` is another only while records of a topic that is gone are
 *    left to emit.
 */
import type { ReaderOutput } from '@millrace/core-stream';
import { AbortedTransactions } from '../protocol/aborted-transactions.js';
import type { FetchedPartition } from '../protocol/read-apis.js';
import { readBatches, RecordCursor, type RecordBatch } from '../protocol/record-batch.js';
import type { KafkaSplit } from './kafka-split.js';

interface BufferedBatch {
  readonly lastOffset: number;
  readonly byteLength: number;
  /** Undefined: nothing in it is to be emitted. */
  readonly batch: RecordBatch | undefined;
  /** What follows is of this topic. */
  readonly topicId?: string;
}

export class FetchedSplit<T> {
  readonly split: KafkaSplit;
  position: number;
  fetchOffset: number;
  fetchTopicId: string | undefined;
  isPaused = false;
  bufferedBytes = 0;
  /** Undefined: to be looked up. */
  leaderId: number | undefined;
  /** Attempts in a row that brought no answer, and since when. */
  failures = 0;
  failingSinceMs: number | undefined;
  /** What a reader may see ends here; -1 before the first answer. */
  endOffset = -1;
  output: ReaderOutput<T> | undefined;
  #topicId: string | undefined;
  #batches: BufferedBatch[] = [];
  #cursor: RecordCursor | undefined;

  constructor(split: KafkaSplit) {
    this.split = split;
    this.position = this.fetchOffset = split.offset;
    this.#topicId = this.fetchTopicId = split.topicId;
  }

  get isFinished(): boolean {
    const { stoppingOffset } = this.split;
    return stoppingOffset !== undefined && this.position >= stoppingOffset;
  }

  get hasBuffered(): boolean {
    return this.#batches.length > 0;
  }

  /** How many records are still to come. */
  get lag(): number | undefined {
    return this.endOffset < 0 ? undefined : Math.max(0, this.endOffset - this.position);
  }

  snapshot(): KafkaSplit {
    const topicId = this.#topicId;
    return { ...this.split, ...(topicId !== undefined && { topicId }), offset: this.position };
  }

  /** Takes an answer to a fetch from `offset`. Returns the bytes it keeps. */
  receive(fetched: FetchedPartition, offset: number, isReadCommitted: boolean): number {
    if (offset !== this.fetchOffset || this.isPaused) return 0; // invariant 2
    const { highWatermark, lastStableOffset } = fetched;
    this.endOffset = isReadCommitted && lastStableOffset >= 0 ? lastStableOffset : highWatermark;
    const aborted = isReadCommitted ? new AbortedTransactions(fetched.aborted) : undefined;
    let kept = 0;
    for (const batch of readBatches(fetched.records)) {
      const { lastOffset, packedRecords } = batch;
      const isAborted = aborted?.covers(batch) === true; // asked of every batch
      if (lastOffset < offset) continue;
      const isEmpty = isAborted || batch.isControl || batch.recordCount === 0;
      const byteLength = isEmpty ? 0 : packedRecords.length;
      this.#batches.push({ lastOffset, byteLength, batch: isEmpty ? undefined : batch });
      this.fetchOffset = lastOffset + 1;
      kept += byteLength;
    }
    this.bufferedBytes += kept;
    return kept;
  }

  /** Whether there should be something at `offset`, where the next fetch begins: the end of bounded reading comes later. */
  isMissing(offset: number): boolean {
    const { stoppingOffset = -1 } = this.split;
    return offset === this.fetchOffset && offset < stoppingOffset && stoppingOffset <= this.endOffset;
  }

  /** The next record, whose fields the cursor then has; undefined where nothing is buffered, or the end is reached. */
  next(): RecordCursor | undefined {
    const end = this.split.stoppingOffset ?? Infinity;
    for (let first = this.#batches[0]; first !== undefined; first = this.#batches[0]) {
      if (this.position >= end) {
        this.rewind(); // its metric holds it for longer
        return undefined;
      }
      if (first.batch !== undefined) {
        const cursor = (this.#cursor ??= new RecordCursor(first.batch));
        while (cursor.next()) {
          if (cursor.offset < this.position) continue; // invariant 3
          if (cursor.offset >= end) {
            this.rewind(end);
            return undefined;
          }
          this.position = cursor.offset + 1;
          return cursor;
        }
      }
      this.#batches.shift();
      this.#cursor = undefined;
      this.bufferedBytes -= first.byteLength;
      if (first.topicId === undefined)
        this.position = Math.max(this.position, first.lastOffset + 1); // invariant 1
      else {
        this.#topicId = first.topicId;
        this.position = first.lastOffset + 1;
      }
    }
    return undefined;
  }

  /** Goes on at `offset`, where the log does: after what is buffered, or at once where the log was cut off before it. */
  skipTo(offset: number): void {
    if (offset < this.fetchOffset) return this.rewind(offset);
    this.#batches.push({ lastOffset: offset - 1, byteLength: 0, batch: undefined });
    this.fetchOffset = offset;
  }

  /** The topic is known by this id, if topics have any. */
  identify(topicId: string | undefined): void {
    this.#topicId = this.fetchTopicId = topicId;
  }

  /** Goes on at `offset` of a topic that has taken the place of this one, after what is buffered (invariant 4). */
  moveTo(topicId: string, offset: number): void {
    this.#batches.push({ lastOffset: offset - 1, byteLength: 0, batch: undefined, topicId });
    this.fetchOffset = offset;
    this.fetchTopicId = topicId;
  }

  /** Forgets what is buffered; it is fetched again from `offset`, the position unless told. */
  rewind(offset = this.position): void {
    this.#batches = [];
    this.#cursor = undefined;
    this.bufferedBytes = 0;
    this.position = this.fetchOffset = offset;
    this.fetchTopicId = this.#topicId;
  }
}
