/** Windows and joins on disk: a restart in place, at any parallelism, reads a key when it is its time, or when a record comes for it. */
import { beforeEach, afterEach, describe, expect, it, vi } from 'vitest';
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  JobCancelledError,
  heapStateBackend,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type DataStream,
  type SingleOutputStreamOperator,
  type StateBackend,
} from '../../src/index.js';
import { watermark } from '../../src/testing/index.js';
import { DiskStore } from '../../src/state/disk-store.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { untilOnDisk } from '../support/conditions.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { environment, refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource, timed } from '../support/scripted-source.js';

refuseUnhandledRejections();

const KEYS = 40;
const numbers = Array.from({ length: 4 * KEYS }, (_, n) => n);
/** Each key has two records, then the job is stopped, then two more; before the end the clock goes on. */
const half = (from: number) => timed(numbers.slice(from, from + 2 * KEYS).map((n) => [n, n] as const));
const script = [...half(0), PAUSE, watermark(2 * KEYS - 1), ...half(2 * KEYS), PAUSE];

const key = (n: number) => n % KEYS;

const programs: Record<string, (input: DataStream<number>) => SingleOutputStreamOperator<string>> = {
  'event-time windows': (input) =>
    input
      .keyBy(key)
      .window(TumblingEventTimeWindows.of(3 * KEYS))
      .process<string>((k, { window }, all, out) =>
        out.collect(`${k} ${window.start} ${[...all].join(' ')}`),
      ),
  'windows of the clock': (input) =>
    input
      .keyBy(key)
      .window(TumblingProcessingTimeWindows.of(1000))
      .process<string>((k, _window, all, out) => out.collect(`${k} ${[...all].join(' ')}`)),
  'an interval join': (input) =>
    input
      .keyBy(key)
      .intervalJoin(input.keyBy(key), 'full')
      .between(KEYS, KEYS)
      .process<string>((a, b, _context, out) => out.collect(`${a} ${b}`)),
};

/** What a run begins with reading of rows, one after the other. */
let scans = 0;
let polls = 0;
beforeEach(() => {
  scans = 0;

  const { scan } = DiskStore.prototype;
  vi.spyOn(DiskStore.prototype, 'scan').mockImplementation(function (this: DiskStore, ...args) {
    scans++;
    return scan.apply(this, args);
  });
});
afterEach(() => void vi.restoreAllMocks());

describe.each(Object.entries(programs))('%s on disk', (_name, build) => {
  function start(backend: StateBackend, storage: MemoryStorage, parallelism: number) {
    const { env, clock } = environment({ parallelism, cancellationTimeoutMs: 1e9 });
    env.setStateBackend(backend).enableCheckpointing({ intervalMs: 1e6, storage });
    polls = 0;
    const source = new ScriptedSource<number>([script], { onPoll: () => void polls++ });
    const sink = new CollectingSink<string>();
    const input = env.fromSource(source, source.watermarks(), 'In').setParallelism(1).uid('in');
    build(input).uid('state').sinkTo(sink).setParallelism(1).uid('sink');
    return { client: env.executeAsync('job'), clock, source, sink };
  }

  async function firstHalf(backend: StateBackend, storage: MemoryStorage, parallelism: number) {
    const { client, source } = start(backend, storage, parallelism);
    await untilOnDisk(() => source.emitted === 2 * KEYS);
    await client.stop();
  }

  async function secondHalf(backend: StateBackend, storage: MemoryStorage, parallelism: number) {
    scans = 0;
    const { client, clock, source, sink } = start(backend, storage, parallelism);
    await untilOnDisk(() => polls > 0); // all operators have been made by then
    const atStart = scans;
    const end = clock.now() + 2500;
    let hasEnded = false;
    const done = () => (hasEnded = true);
    client.result.then(done, done);
    await untilOnDisk(
      () => hasEnded,
      () => {
        if (source.emitted < 2 * KEYS) {
          if (source.resumes === 0) source.resume();
        } else if (clock.now() < end) clock.advance(100);
        else if (source.resumes === 1) source.resume();
      },
    );
    await client.result;
    return { results: [...sink.values].sort(), atStart };
  }

  async function onHeap() {
    const storage = new MemoryStorage();
    await firstHalf(heapStateBackend(), storage, 1);
    return (await secondHalf(heapStateBackend(), storage, 1)).results;
  }

  it.each([2, 3])(
    'reads no rows when it starts again at %i, and gives what it gives on the heap',
    async (parallelism) => {
      const expected = await onHeap();
      expect(expected.length).toBeGreaterThanOrEqual(KEYS);
      const backend = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 1 });
      const storage = new MemoryStorage();
      await firstHalf(backend, storage, 2);
      const { results, atStart } = await secondHalf(backend, storage, parallelism);
      expect(atStart).toBe(0);
      expect(results).toEqual(expected);
    },
  );

  it('gives the same after a run on the heap', async () => {
    const expected = await onHeap();
    const backend = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 1 });
    const storage = new MemoryStorage();
    await firstHalf(heapStateBackend(), storage, 2);
    expect((await secondHalf(backend, storage, 2)).results).toEqual(expected);
  });

  it('gives the same when a run that was filled from a checkpoint of the heap died before its own first one', async () => {
    const expected = await onHeap();
    const backend = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 1 });
    const storage = new MemoryStorage();
    await firstHalf(heapStateBackend(), storage, 2);
    const { client } = start(backend, storage, 2);
    await untilOnDisk(() => polls > 0);
    client.cancel();
    await expect(client.result).rejects.toThrow(JobCancelledError);
    expect((await secondHalf(backend, storage, 2)).results).toEqual(expected);
  });
});
