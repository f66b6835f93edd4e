/** Checkpoints that a program cannot give its part to: they fail, the job may go on, and nothing is lost. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  heapStateBackend,
  ListStateDescriptor,
  ValueStateDescriptor,
  type Sink,
  type Source,
  type StateBackend,
  type StreamExecutionEnvironment,
} from '../../src/index.js';
import type { Prepared, ScriptedSplit } from '../../src/testing/index.js';
import { failureOf, untilOnDisk } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'millrace-declined-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

class Money {
  readonly amount = 1;
}

/** Where a program can be unfit for a checkpoint. */
type Place = 'function' | 'operator state' | 'keyed state' | 'reader' | 'enumerator' | 'writer';

/** What happens outside of the program, over all its runs. */
class World {
  readonly clock = new ManualClock();
  readonly storage = new MemoryStorage();
  /** Ten keys once each, then one of them ten times, then each again: most have not changed between two checkpoints. */
  readonly numbers: ScriptedSource<number>;
  readonly others = new ScriptedSource<number>([[...scripted(10), PAUSE, ...scripted(10)]]);
  readonly counts = new ExternalSystem<string>();
  /** Of a pipeline that is always fit. */
  readonly copies = new ExternalSystem<number>();
  isUnfit = true;

  constructor() {
    const values = [numbers(10), Array.from({ length: 10 }, () => 3), numbers(10)];
    const script = values.map((part) => part.map((value) => ({ value })));
    this.numbers = new ScriptedSource([[...script[0]!, PAUSE, ...script[1]!, PAUSE, ...script[2]!]]);
    const isDurable = (id: number) =>
      this.storage.checkpoints.some(({ checkpointId }) => checkpointId === id);
    this.counts.isDurable = isDurable;
    this.copies.isDurable = isDurable;
  }

  checkUnfit(place: Place, asked: Place): void {
    if (this.isUnfit && place === asked) throw new Error('not now');
  }
}

const expectedCounts = [
  ...numbers(10).map((key) => `${key}#1`),
  ...numbers(10).map((n) => `3#${n + 2}`),
  ...numbers(10).map((key) => (key === 3 ? '3#12' : `${key}#2`)),
];

function start(world: World, place: Place, tolerableFailures: number, backend: StateBackend) {
  const { env } = environment({ clock: world.clock, cancellationTimeoutMs: 1e9 });
  env.enableCheckpointing({ intervalMs: 10, storage: world.storage, tolerableFailures });
  env.setStateBackend(backend);
  // First: its turn comes before any task declines.
  env
    .fromSource(world.others, none, 'Others')
    .uid('others')
    .sinkTo(new TransactionalSink(world.copies))
    .uid('copies');
  counting(env, world, place);
  return env.executeAsync('declined');
}

function counting(env: StreamExecutionEnvironment, world: World, place: Place): void {
  const check = (asked: Place) => world.checkUnfit(place, asked);
  env
    .fromSource(sourceOf(world, check), none, 'In')
    .uid('in')
    .process<number>((context) => {
      const list = context.getOperatorListState(new ListStateDescriptor<unknown>('seen'));
      return {
        processElement: (n, _context, out) => out.collect(n),
        snapshotState: () => {
          check('function');
          list.update(world.isUnfit && place === 'operator state' ? [new Money()] : [1]);
        },
      };
    })
    .name('Pass')
    .uid('pass')
    .keyBy((n) => n)
    .process<string>((context) => {
      const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
      const wallet = context.getState(new ValueStateDescriptor<object>('wallet'));
      return {
        processElement(n, { timers }, out) {
          count.update(count.value()! + 1);
          timers.registerEventTimeTimer(1_000 + n);
          if (n === 3) {
            wallet.update(world.isUnfit && place === 'keyed state' ? { paid: [new Money()] } : { paid: [1] });
          }
          out.collect(`${n}#${count.value()!}`);
        },
      };
    })
    .name('Count')
    .uid('count')
    .sinkTo(sinkOf(world, check))
    .name('Out')
    .uid('out');
}

function sourceOf(
  { numbers: source }: World,
  check: (place: Place) => void,
): Source<number, ScriptedSplit, readonly ScriptedSplit[]> {
  return {
    boundedness: source.boundedness,
    createReader(context) {
      const reader = source.createReader(context);
      const snapshotState = reader.snapshotState.bind(reader);
      return Object.assign(reader, {
        snapshotState: (checkpointId: number) => {
          check('reader');
          return snapshotState(checkpointId);
        },
      });
    },
    createEnumerator(context, restored) {
      const enumerator = source.createEnumerator(context, restored);
      const snapshotState = enumerator.snapshotState.bind(enumerator);
      return Object.assign(enumerator, {
        snapshotState: (checkpointId: number) => {
          check('enumerator');
          return snapshotState(checkpointId);
        },
      });
    },
  };
}

function sinkOf({ counts }: World, check: (place: Place) => void): Sink<string, Prepared, never> {
  const sink = new TransactionalSink(counts);
  return {
    createWriter: (context) => ({
      ...sink.createWriter(context),
      snapshotState: () => {
        check('writer');
        return [];
      },
    }),
    createCommitter: (context) => sink.createCommitter(context),
  };
}

const places: readonly [Place, message: string][] = [
  ['function', "'Pass' (subtask 0) failed while taking checkpoint 1: not now"],
  [
    'operator state',
    "'Pass' (subtask 0) failed while encoding its state for checkpoint 1: Cannot encode an instance of Money at ",
  ],
  [
    'keyed state',
    "'Count' (subtask 0) failed while encoding its state for checkpoint 1: " +
      "Cannot encode an instance of Money at state 'wallet', key 3, .paid[0]: keys and state are plain data.",
  ],
  ['reader', "'In' (subtask 0) failed while taking checkpoint 1: not now"],
  ['enumerator', "'In' (subtask 0) failed while taking checkpoint 1 of its enumerator: not now"],
  ['writer', "'Out' (subtask 0) failed while taking checkpoint 1: not now"],
];

type Backend = 'heap' | 'disk';
const backendOf = (name: Backend): StateBackend =>
  name === 'heap' ? heapStateBackend() : diskStateBackend({ directory });

const onBoth = places.flatMap(([place, message]) =>
  (['heap', 'disk'] as const).map((backend) => ({ place, message, backend })),
);

/** Until its first checkpoint has failed. */
async function untilDeclined(world: World, place: Place, tolerableFailures: number, backend: Backend) {
  const job = start(world, place, tolerableFailures, backendOf(backend));
  let isOver = false;
  job.result.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  await untilOnDisk(() => isOver || (world.numbers.emitted === 10 && world.others.emitted === 10));
  world.clock.advance(10);
  await untilOnDisk(() => isOver || job.snapshot().checkpoints.failed === 1);
  return job;
}

describe('a checkpoint that a program is not fit for', () => {
  it.each(onBoth)(
    'fails the job where none may fail, and says what was not fit: $place, state on $backend',
    async ({ place, message, backend }) => {
      const world = new World();
      const job = await untilDeclined(world, place, 0, backend);
      const error = await failureOf(job.result);
      expect(error.message).toContain(message);
      expect(error).toMatchObject({ code: 'MILLRACE_OPERATOR' });
      expect(world.storage.lastId).toBe(undefined);
    },
  );

  it('fails the job where more fail in a row than may', async () => {
    const world = new World();
    const job = await untilDeclined(world, 'keyed state', 1, 'heap');
    world.clock.advance(10);
    const error = await failureOf(job.result);
    expect(error.message).toMatch(/checkpoint 2: .*key 3, .* 2 checkpoints in a row have failed\.$/);
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT', retryable: true });
  });

  const restores = [
    ...onBoth.map((one) => ({ ...one, from: one.backend === 'heap' ? 'segments' : 'the store' })),
    ...onBoth.flatMap((one) => (one.backend === 'disk' ? { ...one, from: 'segments' } : [])),
  ];
  it.each(restores)(
    'is aborted, and the next one has everything that it would have had: $place, state on $backend, restored from $from',
    async ({ place, backend, from }) => {
      const world = new World();
      const { clock, storage, counts, copies } = world;
      const first = await untilDeclined(world, place, 1, backend);
      expect([storage.lastId, counts.visible, copies.visible]).toEqual([undefined, [], []]);
      world.isUnfit = false;
      world.numbers.resume();
      await untilOnDisk(() => world.numbers.emitted === 20);
      clock.advance(10);
      await untilOnDisk(() => counts.visible.length === 20 && copies.visible.length === 10);
      expect(storage.lastId).toBe(2);
      world.numbers.resume();
      await untilOnDisk(() => world.numbers.emitted === 30);
      first.cancel();
      await failureOf(first.result);
      if (from === 'segments') await rm(directory, { recursive: true });
      const second = start(world, place, 0, backendOf(backend));
      let isOver = false;
      void second.result.finally(() => (isOver = true));
      await untilOnDisk(
        () => isOver,
        () => {
          world.numbers.resume();
          world.others.resume();
          clock.advance(1);
        },
      );
      await second.result;
      expect([...counts.visible].sort()).toEqual([...expectedCounts].sort());
      expect(copies.visible).toEqual([...numbers(10), ...numbers(10)]);
    },
  );
});

describe('what two-phase sinks have prepared for a checkpoint that another task declines', () => {
  it('waits, and is committed with the next one, once', async () => {
    const world = new World();
    const { clock, copies } = world;
    const job = await untilDeclined(world, 'keyed state', 1, 'heap');
    await untilOnDisk(() => copies.prepared.size === 1);
    expect(copies.visible).toEqual([]);
    world.isUnfit = false;
    world.numbers.resume();
    await untilOnDisk(() => world.numbers.emitted === 20);
    clock.advance(10);
    await untilOnDisk(() => copies.visible.length === 10);
    expect(copies.commitOrder).toEqual([2]);
    expect(copies.prepared.size).toBe(0);
    job.cancel();
    await failureOf(job.result);
  });

  it('is taken back where the job fails before the next one, and comes again', async () => {
    const world = new World();
    const { copies } = world;
    const job = await untilDeclined(world, 'keyed state', 1, 'heap');
    await untilOnDisk(() => copies.prepared.size === 1);
    job.cancel();
    await failureOf(job.result);
    expect(copies.visible).toEqual([]);
    const [lost] = copies.prepared.keys();
    world.isUnfit = false;
    const second = start(world, 'keyed state', 0, heapStateBackend());
    await untilOnDisk(() => world.others.emitted === 20);
    expect(copies.prepared.has(lost!)).toBe(false);
    world.clock.advance(10);
    await untilOnDisk(() => copies.visible.length === 10);
    expect(copies.visible).toEqual(numbers(10));
    second.cancel();
    await failureOf(second.result);
  });
});

describe('a row on disk that cannot be encoded, and has to leave the cache', () => {
  it('fails the job, with the state and its key', async () => {
    const { env } = environment({ cancellationTimeoutMs: 1e9 });
    env.setStateBackend(diskStateBackend({ directory, cacheBytes: 1 }));
    env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage(), tolerableFailures: 10 });
    env
      .fromSource(new ScriptedSource<number>([scripted(10)]), none, 'In')
      .keyBy((n) => n)
      .process<number>((context) => {
        const wallet = context.getState(new ValueStateDescriptor<object>('wallet'));
        return { processElement: (n) => wallet.update(n === 3 ? { paid: new Money() } : { paid: 1 }) };
      })
      .name('Count')
      .sinkTo(new TransactionalSink(new ExternalSystem<number>()));
    const error = await failureOf(env.execute('eviction'));
    expect(error.message).toMatch(
      /'Count' .* failed while processing the record \d: Cannot encode an instance of Money at state 'wallet', key 3, \.paid:/,
    );
  });
});
