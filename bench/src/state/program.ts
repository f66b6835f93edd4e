/** A job that reads or updates the state of the keys that it is told to. */
import {
  AggregatingStateDescriptor,
  FileCheckpointStorage,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StreamExecutionEnvironment,
  ValueStateDescriptor,
  WatermarkStrategy,
  type JobClient,
  type KeyedRuntimeContext,
  type StateBackend,
} from '@millrace/core-stream';
import { ManualClock } from '@millrace/core-stream/testing';
import type { StateType } from './report.js';

/** One access to the state of the current key; `get` gives a number that tells its content from others. */
interface Access {
  get(key: number): number;
  update(value: number, key: number): void;
}

type MakeAccess = (context: KeyedRuntimeContext) => Access;

const ACCESS: Readonly<Record<StateType, MakeAccess>> = {
  value(context) {
    const state = context.getState(new ValueStateDescriptor<number>('state'));
    return { get: () => state.value() ?? 0, update: (value) => state.update(value) };
  },
  list(context) {
    const state = context.getListState(new ListStateDescriptor<number>('state'));
    return {
      get: () => state.get().reduce((sum, n) => sum + n, 0),
      update: (value) => state.update([value, value + 1, value + 2]),
    };
  },
  map(context) {
    const state = context.getMapState(new MapStateDescriptor<string, number>('state'));
    return {
      get: () => (state.get('a') ?? 0) + (state.get('b') ?? 0),
      update: (value) => state.put(value % 2 === 0 ? 'a' : 'b', value),
    };
  },
  entries(context) {
    const state = context.getMapState(new MapStateDescriptor<number, number>('state'));
    return { get: (key) => state.get(key) ?? 0, update: (value, key) => state.put(key, value) };
  },
  reducing(context) {
    const state = context.getReducingState(new ReducingStateDescriptor<number>('state', (a, b) => a + b));
    return { get: () => state.get() ?? 0, update: (value) => state.add(value) };
  },
  aggregating(context) {
    const state = context.getAggregatingState(
      new AggregatingStateDescriptor<number, { count: number; sum: number }, number>('state', {
        createAccumulator: () => ({ count: 0, sum: 0 }),
        add: (value, { count, sum }) => ({ count: count + 1, sum: sum + value }),
        getResult: ({ count, sum }) => count + sum,
        merge: (a, b) => ({ count: a.count + b.count, sum: a.sum + b.sum }),
      }),
    );
    return { get: () => state.get() ?? 0, update: (value) => state.add(value) };
  },
};

/** What the job is to do next. */
interface Phase {
  readonly records: number;
  readonly keyOf: (index: number) => number;
  readonly isUpdate: boolean;
}

const BATCH = 256;
const INTERVAL_MS = 1000;

export class StateJob {
  readonly client: JobClient;
  readonly #clock = new ManualClock();
  /** Sum over what was read, in any order. */
  #hash = 0;
  #done = 0;
  #emitted = 0;
  #phase: Phase = { records: 0, keyOf: () => 0, isUpdate: false };
  #resume: (() => void) | undefined;
  #onDone: (() => void) | undefined;
  #isOver = false;

  constructor(type: StateType, backend: StateBackend, checkpoints: string) {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock: this.#clock });
    env.setStateBackend(backend);
    env.enableCheckpointing({ intervalMs: INTERVAL_MS, storage: new FileCheckpointStorage(checkpoints) });
    env
      .addSource<number>(
        {
          collect: (out) => {
            if (this.#isOver) return false;
            if (this.#emitted === this.#phase.records) return this.#more();
            const end = Math.min(this.#emitted + BATCH, this.#phase.records);
            for (; this.#emitted < end; this.#emitted++) out.collect(this.#phase.keyOf(this.#emitted));
            return true;
          },
        },
        WatermarkStrategy.noWatermarks<number>(),
      )
      .uid('keys')
      .keyBy((key) => (type === 'entries' ? 0 : key))
      .process<never>((context) => {
        const access = ACCESS[type](context);
        return { processElement: (key) => this.#onRecord(key, access) };
      })
      .uid('state')
      .addSink({ emit: () => undefined });
    this.client = env.executeAsync('state');
    this.client.result.catch(() => this.#onDone?.()); // `run` tells
  }

  #more(): Promise<boolean> {
    return new Promise((resolve) => (this.#resume = () => resolve(true)));
  }

  #onRecord(key: number, access: Access): void {
    if (this.#phase.isUpdate) access.update(key + this.#done, key);
    else this.#hash = (this.#hash + Math.imul(access.get(key) + 1, 2 * key + 1)) >>> 0;
    if (++this.#done === this.#phase.records) this.#onDone?.();
  }

  /** Returns the milliseconds that it took, and the hash of what was read. */
  async run(phase: Phase): Promise<{ readonly ms: number; readonly hash: string }> {
    this.#phase = phase;
    this.#done = this.#emitted = this.#hash = 0;
    const startedAt = performance.now();
    const done = new Promise<void>((resolve) => (this.#onDone = resolve));
    this.#resume?.();
    await done;
    if (this.#done < phase.records) await this.client.result; // it has failed
    return { ms: performance.now() - startedAt, hash: this.#hash.toString(16).padStart(8, '0') };
  }

  /** Takes a checkpoint while the job has nothing else to do. */
  async checkpoint(): Promise<{ bytes: number; durationMs: number; pauseMs: number }> {
    const before = this.client.snapshot().checkpoints.completed;
    const startedAt = performance.now();
    let last = startedAt;
    let pauseMs = 0;
    this.#clock.advance(INTERVAL_MS);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const now = performance.now();
      pauseMs = Math.max(pauseMs, now - last);
      last = now;
      const { completed, failed, lastSizeBytes } = this.client.snapshot().checkpoints;
      if (failed > 0) await this.client.result;
      if (completed > before) return { bytes: lastSizeBytes ?? 0, durationMs: now - startedAt, pauseMs };
    }
  }

  /** Ends it as a failure would: what comes after the last checkpoint is lost. */
  async cancel(): Promise<void> {
    this.#isOver = true;
    this.client.cancel();
    this.#resume?.();
    await this.client.result.catch(() => undefined); // as it was asked to
  }
}
