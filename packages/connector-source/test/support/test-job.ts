import {
  silentLogger,
  type Clock,
  type Logger,
  type PollStatus,
  type ReaderOutput,
  type Source,
  type SourceReader,
  type SourceSplit,
  type SplitEnumerator,
} from '@millrace/core-stream';
import { TestMetrics } from '@millrace/core-stream/testing';
import type { DruidEnumeratorState, DruidSplit } from '../../src/index.js';

/** A clock on which waiting takes no time: a scheduled call runs soon, and `now` then says that the delay has passed. */
export class HastyClock implements Clock {
  private time = 1_700_000_000_000;

  now(): number {
    return this.time;
  }

  setTo(ms: number): void {
    this.time = ms;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const due = this.time + delayMs;
    const timer = setTimeout(() => {
      this.time = Math.max(this.time, due);
      callback();
    }, 0);
    return () => clearTimeout(timer);
  }
}

/** What a checkpoint of the source holds. */
export interface TestCheckpoint<SplitT = DruidSplit, EnumStateT = DruidEnumeratorState> {
  readonly enumerator: EnumStateT;
  readonly readers: readonly (readonly SplitT[])[];
}

export interface Emitted<Row> {
  readonly row: Row;
  readonly timestamp: number | undefined;
  readonly splitId: string;
}

/** Runs a source as the engine would, one step at a time, with the engine's contexts scripted. */
export class TestJob<Row, SplitT extends SourceSplit = DruidSplit, EnumStateT = DruidEnumeratorState> {
  readonly emitted: Emitted<Row>[] = [];
  readonly released: string[] = [];
  /** How far event time was said to have come without a record, in order. */
  readonly advanced: number[] = [];
  /** What was emitted to side outputs. */
  readonly aside: {
    readonly tag: string;
    readonly value: unknown;
    readonly timestamp: number | undefined;
  }[] = [];
  /** Of each reader. */
  readonly metrics: TestMetrics[] = [];
  readonly enumeratorMetrics = new TestMetrics();
  readonly clock: Clock;
  failure: unknown;
  readonly readers: SourceReader<Row, SplitT>[] = [];
  readonly enumerator: SplitEnumerator<SplitT, EnumStateT>;
  private readonly ended = new Set<number>();
  private readonly stopping = new AbortController();
  private readonly outputs: ReaderOutput<Row>[] = [];

  constructor(
    source: Source<Row, SplitT, EnumStateT>,
    options: {
      readonly parallelism?: number;
      readonly restored?: TestCheckpoint<SplitT, EnumStateT>;
      readonly clock?: Clock;
      readonly logger?: Logger;
    } = {},
  ) {
    const { parallelism = 1, restored } = options;
    this.clock = options.clock ?? new HastyClock();
    const shared = {
      parallelism,
      operatorUid: 'druid',
      clock: this.clock,
      logger: options.logger ?? silentLogger,
      signal: this.stopping.signal,
    };
    this.enumerator = source.createEnumerator(
      {
        ...shared,
        metrics: this.enumeratorMetrics.group,
        assignSplit: (split, index) => this.readers[index]?.addSplits([structuredClone(split)]),
        signalNoMoreSplits: (index) => this.readers[index]?.notifyNoMoreSplits(),
        callAsync: (work, handler, schedule) => {
          const run = async (): Promise<void> => {
            if (schedule?.delayMs)
              await new Promise<void>((resolve) => void this.clock.schedule(schedule.delayMs ?? 0, resolve));
            if (this.stopping.signal.aborted) return;
            const result = await work(this.stopping.signal);
            if (!this.stopping.signal.aborted) handler(result);
          };
          run().catch((error: unknown) => {
            if (!this.stopping.signal.aborted) this.failure ??= error;
          });
        },
      },
      restored?.enumerator,
    );
    for (let index = 0; index < parallelism; index++) {
      const metrics = new TestMetrics();
      this.metrics.push(metrics);
      const reader = source.createReader({
        ...shared,
        subtaskIndex: index,
        metrics: metrics.group,
        requestSplit: () =>
          queueMicrotask(() => this.stopping.signal.aborted || this.enumerator.handleSplitRequest(index)),
      });
      this.readers.push(reader);
      this.outputs.push(this.createOutput());
    }
    const restoredSplits = restored?.readers ?? [];
    if (restoredSplits.length === parallelism) {
      restoredSplits.forEach((splits, index) => this.readers[index]?.addSplits(splits));
    } else if (restored !== undefined) {
      this.enumerator.addSplitsBack(restoredSplits.flat());
    }
    this.enumerator.start();
    for (const reader of this.readers) reader.start();
  }

  get isEnded(): boolean {
    return this.ended.size === this.readers.length;
  }

  rows(): Row[] {
    return this.emitted.map(({ row }) => row);
  }

  /** Polls one reader once. */
  poll(index: number, maxRecords: number): PollStatus {
    if (this.failure !== undefined) throw this.failure;
    if (this.ended.has(index)) return 'end';
    const status =
      this.readers[index]?.pollNext(this.outputs[index] as ReaderOutput<Row>, maxRecords) ?? 'end';
    if (status === 'end') this.ended.add(index);
    return status;
  }

  checkpoint(): TestCheckpoint<SplitT, EnumStateT> {
    return structuredClone({
      enumerator: this.enumerator.snapshotState(1),
      readers: this.readers.map((reader) => [...reader.snapshotState(1)]),
    });
  }

  /** Polls all readers until `isDone`, or until the source has ended; a test that hangs is told why before its time-out. */
  async run(isDone: () => boolean = () => false, maxRecords = 100): Promise<void> {
    const deadline = Date.now() + (this.clock instanceof HastyClock ? 45_000 : 180_000);
    while (!isDone() && !this.isEnded) {
      const statuses = this.readers.map((_, index) => this.poll(index, maxRecords));
      if (statuses.every((status) => status !== 'more')) await this.breathe();
      if (Date.now() > deadline) throw new Error(`The job is stuck after ${this.emitted.length} records`);
    }
  }

  /** Lets I/O happen. */
  breathe(): Promise<void> {
    return new Promise((resolve) => void setTimeout(resolve, 1));
  }

  /** Waits until some reader has something, for some milliseconds at most. */
  async settle(): Promise<void> {
    const ready = this.readers.map((reader) => reader.isAvailable().catch(() => undefined));
    await Promise.race([...ready, new Promise((resolve) => void setTimeout(resolve, 10))]);
  }

  /** `reason` is what the engine would end the attempt with. */
  async stop(reason: Error = new Error('the test stops the job')): Promise<void> {
    this.stopping.abort(reason);
    await Promise.all(this.readers.map((reader) => reader.close?.()));
    await this.enumerator.close?.();
  }

  private createOutput(): ReaderOutput<Row> {
    const collectTo = (splitId: string) => (row: Row, timestamp?: number) => {
      this.emitted.push({ row, timestamp, splitId });
    };
    const releaseSplit = (splitId: string): void => void this.released.push(splitId);
    const sideOutput: ReaderOutput<Row>['sideOutput'] = (tag, value, timestamp) =>
      void this.aside.push({ tag: tag.id, value, timestamp });
    const advanceTo = (timestamp: number): void => void this.advanced.push(timestamp);
    const forSplit = (splitId: string): ReaderOutput<Row> => ({
      collect: collectTo(splitId),
      advanceTo,
      sideOutput,
      forSplit,
      releaseSplit,
    });
    return { collect: collectTo(''), advanceTo, sideOutput, forSplit, releaseSplit };
  }
}
