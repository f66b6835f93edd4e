import { describe, expect, it } from 'vitest';
import {
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
} from '../../src/index.js';
import { drive } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink, type FaultPoint } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { ScriptedSource, type ScriptedRecord } from '../support/scripted-source.js';

interface Event {
  readonly id: string;
  readonly user: string;
  readonly amount: number;
  readonly atMs: number;
}

const WINDOW_MS = 50;
const DISORDER_MS = 20;
const TIMER_MS = 30;

class InjectedFault extends Error {}

/** Three splits of records, each out of order by less than the bound, so that nothing is late. */
function scriptsOf(random: Random): ScriptedRecord<Event>[][] {
  return Array.from({ length: 3 }, (_, split) =>
    Array.from({ length: 20 + random.below(60) }, (__, n) => {
      const atMs = -100 + n * 7 + random.below(DISORDER_MS);
      const event = { id: `${split}-${n}`, user: `user-${random.below(6)}`, amount: random.below(100), atMs };
      return { value: event };
    }),
  );
}

/** The same, said in a few lines over all records at once. */
function oracle(scripts: readonly (readonly ScriptedRecord<Event>[])[]): string[] {
  const rows: string[] = [];
  const perUser = new Map<string, number>();
  const windows = new Map<string, number>();
  const timers = new Set<string>();
  for (const { value } of scripts.flat()) {
    const count = (perUser.get(value.user) ?? 0) + 1;
    perUser.set(value.user, count);
    rows.push(`${value.user} #${count}`, `id ${value.id}`);
    const start = Math.floor(value.atMs / WINDOW_MS) * WINDOW_MS;
    const window = `${value.user} [${start}, ${start + WINDOW_MS})`;
    windows.set(window, (windows.get(window) ?? 0) + value.amount);
    timers.add(`${value.user} @${Math.floor(value.atMs / TIMER_MS) * TIMER_MS + TIMER_MS}`);
  }
  rows.push(...[...windows].map(([window, sum]) => `${window} = ${sum}`), ...timers);
  return rows.sort();
}

interface World {
  readonly storage: MemoryStorage;
  readonly numbers: ExternalSystem<string>;
  readonly sums: ExternalSystem<string>;
}

function createWorld(): World {
  const storage = new MemoryStorage();
  const isDurable = (id: number) => storage.checkpoints.some(({ checkpointId }) => checkpointId === id);
  const system = () => {
    const made = new ExternalSystem<string>();
    made.isDurable = isDurable;
    return made;
  };
  return { storage, numbers: system(), sums: system() };
}

function program(
  world: World,
  scripts: readonly (readonly ScriptedRecord<Event>[])[],
  options: {
    readonly parallelism: number;
    readonly clock: ManualClock;
    readonly fault: FaultPoint;
    readonly batch: number;
  },
) {
  const { fault, parallelism, clock, batch } = options;
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    parallelism,
    maxParallelism: 16,
    clock,
    autoWatermarkIntervalMs: 3,
  });
  env.enableCheckpointing({ intervalMs: 4, storage: world.storage });
  const source = new ScriptedSource(scripts, {
    batch,
    onNotify: () => fault('notify'),
    onSnapshot: () => fault('snapshot of the source'),
  });
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Event>(DISORDER_MS).withTimestampAssigner(
    (event) => event.atMs,
  );
  const events = env
    .fromSource(source, strategy, 'events')
    .uid('events')
    .map((event) => {
      fault('map');
      return event;
    })
    .uid('map');
  events
    .keyBy((event) => event.user)
    .process<string>((context) => {
      const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
      return {
        open: () => {
          fault('open');
        },
        processElement(event, { timers }, out) {
          const next = (count.value() ?? 0) + 1;
          count.update(next);
          timers.registerEventTimeTimer(Math.floor(event.atMs / TIMER_MS) * TIMER_MS + TIMER_MS);
          out.collect(`${event.user} #${next}`);
          out.collect(`id ${event.id}`);
        },
        onTimer(timestamp, { currentKey }, out) {
          fault('timer');
          out.collect(`${currentKey} @${timestamp}`);
        },
        close: () => {
          fault('close');
        },
      };
    })
    .uid('count')
    .sinkTo(new TransactionalSink(world.numbers, fault))
    .uid('numbers');
  events
    .keyBy((event) => ({ user: event.user }))
    .window(TumblingEventTimeWindows.of(WINDOW_MS))
    .aggregate(
      {
        createAccumulator: () => ({ sum: 0 }),
        add: (event, acc) => ({ sum: acc.sum + event.amount }),
        getResult: (acc) => acc.sum,
        merge: (a, b) => ({ sum: a.sum + b.sum }),
      },
      ({ user }, { window }, [sum], out) =>
        out.collect(`${user} [${window.start}, ${window.end}) = ${String(sum)}`),
    )
    .uid('window')
    .sinkTo(new TransactionalSink(world.sums, fault))
    .uid('sums');
  return { env, source };
}

function visible(world: World): string[] {
  return [...world.numbers.visible, ...world.sums.visible].sort();
}

/** One seed: a job that fails again and again, at other points and at other parallelisms, until it gets through. */
async function runSchedule(seed: number): Promise<{ faults: string[]; rescales: number }> {
  const random = new Random(seed);
  const scripts = scriptsOf(random);
  const world = createWorld();
  const faults: string[] = [];
  const clock = new ManualClock(1_000_000);
  let faultsLeft = random.below(8);
  let rescales = 0;
  let parallelism = 1 + random.below(3);
  let last: number | undefined;
  world.storage.beforeWrite = () => fault('before the checkpoint is durable');
  world.storage.afterWrite = () => fault('after the checkpoint is durable');
  let untilFault = 1 + random.below(120);
  function fault(point: string): void {
    // A record passes the map far more often than anything else happens: it counts for less.
    untilFault -= point === 'map' || point === 'timer' ? 0.3 : 3;
    if (faultsLeft === 0 || untilFault > 0) return;
    untilFault = 1 + random.below(120);
    faultsLeft--;
    faults.push(point);
    throw new InjectedFault(point);
  }
  for (let run = 0; run < 40; run++) {
    if (last !== undefined && last !== parallelism) rescales++;
    last = parallelism;
    const { env } = program(world, scripts, { parallelism, clock, fault, batch: 1 + random.below(12) });
    const isFinished = await drive(env.executeAsync('exactly-once'), clock).then(
      () => true,
      (error: unknown) => {
        for (let cause = error; cause instanceof Error; cause = cause.cause) {
          if (cause instanceof InjectedFault) return false;
        }
        throw error;
      },
    );
    if (isFinished) {
      const expected = oracle(scripts);
      expect(visible(world)).toEqual(expected);
      // A finished job that is started again has nothing left to do, also at another parallelism.
      faultsLeft = 0;
      const again = program(world, scripts, { parallelism: 1 + (run % 3), clock, fault, batch: 5 });
      await drive(again.env.executeAsync('exactly-once'), clock);
      expect(again.source.emitted).toBe(0);
      expect(visible(world)).toEqual(expected);
      return { faults, rescales };
    }
    parallelism = random.below(3) === 0 ? parallelism : 1 + random.below(3);
  }
  throw new Error('the job never got through');
}

describe('exactly once, end to end', () => {
  const SCHEDULES = 320;
  const CHUNK = 40;

  it.each(Array.from({ length: SCHEDULES / CHUNK }, (_, chunk) => chunk * CHUNK))(
    'is what a naive oracle computes, whatever fails: seeds from %d',
    async (first) => {
      const points = new Set<string>();
      let rescales = 0;
      for (let seed = first; seed < first + CHUNK; seed++) {
        try {
          const result = await runSchedule(seed);
          for (const point of result.faults) points.add(point);
          rescales += result.rescales;
        } catch (error) {
          throw new Error(`seed ${seed} fails: ${String(error)}`, { cause: error });
        }
      }
      expect(rescales).toBeGreaterThan(0);
      expect(points.size).toBeGreaterThan(5);
    },
    240_000,
  );
});
