/** In which order a start calls what lies outside of the job; one that is refused calls nothing of it. */
import { describe, expect, it } from 'vitest';
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  AsyncDataStream,
  CheckpointError,
  heapStateBackend,
  ListStateDescriptor,
  StateSchema,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type ListState,
  type RuntimeContext,
  type StateBackend,
  type ValueState,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf, untilOnDisk } from '../support/conditions.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { environment, none, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

/** `target`, with every call of it, and of what it makes, in `log`. */
function watched<T extends object>(name: string, target: T, log: string[]): T {
  return new Proxy(target, {
    get(_target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        log.push(`${name} ${String(property)}`);
        const made: unknown = Reflect.apply(member, target, args);
        const part = /^create(\w+)/.exec(String(property))?.[1];
        return part === undefined ? made : watched(part.toLowerCase(), made as object, log);
      };
    },
  });
}

const KEYS = 4;
const inputs = scripted(40);
const expected = inputs.map(({ value }) => `${value % KEYS} ${Math.floor(value / KEYS) + 1}`);

/** The parts of the program; a test changes some of them. */
interface Parts {
  readonly counts: StateSchema<number>;
  list(context: RuntimeContext): ListState<number>;
  readonly uid: string;
  readonly windowMs: number;
  readonly hasCommitter: boolean;
}

const list = new ListStateDescriptor<number>('list');

const RIGHT: Parts = {
  counts: StateSchema.startingAt<number>(2),
  list: (context) => context.getOperatorListState(list),
  uid: 'counts',
  windowMs: 1000,
  hasCommitter: true,
};

/** A job whose sink could not commit what it had prepared; `run` starts it again. */
async function withOpenCommits(backend: StateBackend) {
  const storage = new MemoryStorage();
  const system = new ExternalSystem<string>();
  const log: string[] = [];
  const run = async (changes: Partial<Parts>, fault?: (point: string) => void) => {
    const { counts, list: listOf, uid, windowMs, hasCommitter } = { ...RIGHT, ...changes };
    // No time-out: the clock runs while files are written.
    const { env, clock } = environment({ cancellationTimeoutMs: 1e9 });
    env.setStateBackend(backend);
    env.enableCheckpointing({ intervalMs: 10, timeoutMs: 1e9, storage });
    const script = inputs.map((step) => ({ ...step, timestamp: step.value }));
    const source = new ScriptedSource<number>([[...script.slice(0, 30), PAUSE, ...script.slice(30)]]);
    if (fault === undefined) source.resume();
    const sink = watched('sink', new TransactionalSink(system, fault), log);
    const stream = env
      .fromSource(watched('source', source, log), source.watermarks(), 'In')
      .uid('in')
      .process<number>((context) => ({
        open() {
          log.push('open list');
          const ones = listOf(context);
          if (ones.get().length === 0) ones.add(1);
        },
        processElement: (n, _context, out) => out.collect(n),
      }))
      .uid('list')
      .keyBy((n) => n % KEYS);
    stream
      .window(TumblingEventTimeWindows.of(windowMs))
      .reduce((a, b) => a + b)
      .uid('windows')
      .sinkTo(new CollectingSink<number>())
      .uid('windowed');
    stream
      .process<string>(() => {
        let count: ValueState<number>;
        return {
          open(context) {
            log.push('open counts');
            count = context.getState(new ValueStateDescriptor('count', { schema: counts, defaultValue: 0 }));
          },
          processElement(_n, { currentKey }, out) {
            count.update(count.value()! + 1);
            out.collect(`${String(currentKey)} ${count.value()!}`);
          },
        };
      })
      .uid(uid)
      .sinkTo(hasCommitter ? sink : { createWriter: (context) => sink.createWriter(context) })
      .uid('out');
    log.length = 0;
    const { result } = env.executeAsync('job');
    let hasEnded = false;
    const onEnd = () => void (hasEnded = true);
    result.then(onEnd, onEnd);
    await untilOnDisk(
      () => hasEnded,
      () => clock.advance(1),
    );
    return result;
  };
  const error = await failureOf(
    run({}, (point) => {
      if (point === 'before commit') throw new Error('killed');
    }),
  );
  expect(error.message).toContain('killed');
  expect(system.prepared.size).toBe(1);
  return { run, log, system, storage };
}

const isOpening = (entry: string) => entry.startsWith('open ');

const wrong: readonly (readonly [string, Partial<Parts>, RegExp])[] = [
  [
    'value state of a newer version',
    { counts: StateSchema.startingAt<number>(1) },
    /State 'count' has version 2 in the checkpoint, but version 1/,
  ],
  [
    'value state that it does not migrate',
    { counts: StateSchema.startingAt<number>(3) },
    /State 'count' has version 2 in the checkpoint, but the program reads versions from 3 on/,
  ],
  [
    'operator state of another kind',
    { list: (context) => context.getUnionListState(list) },
    /Operator state 'list' is split state/,
  ],
  ['windows of another size', { windowMs: 500 }, /the program has 'reduce in windows of .*\(500 ms\)'/],
  ['an operator that it does not have', { uid: 'others' }, /state of an operator with uid 'counts'/],
  [
    'open commits of a sink that has no committer',
    { hasCommitter: false },
    /The sink with uid 'out' has 1 prepared commit and no committer/,
  ],
];

describe.each(['heap', 'disk'] as const)('a start, with state on %s', (where) => {
  const backendOf = () =>
    where === 'heap' ? heapStateBackend() : diskStateBackend({ directory: temporaryDirectory() });

  it.each(wrong)(
    'P8: that is refused because of %s calls no sink and no source',
    async (_what, changes, message) => {
      const { run, log, system, storage } = await withOpenCommits(backendOf());
      const stored = structuredClone(storage.checkpoints);
      const error = await failureOf(run(changes));
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(message);
      expect(error.message).toContain('(1 difference)');
      expect(log.filter((entry) => !isOpening(entry))).toEqual([]);
      expect(log.filter(isOpening)).toHaveLength(2); // the functions were asked
      expect(storage.checkpoints).toEqual(stored);
      expect(system).toMatchObject({ visible: [], prepared: { size: 1 } });
      await run({});
      expect(system.visible.toSorted()).toEqual(expected.toSorted());
    },
  );

  it('attempt parts invariant 3: that is refused is told everything that is different at once', async () => {
    const { run, log } = await withOpenCommits(backendOf());
    const changes = wrong.filter(([, { uid }]) => uid === undefined).map(([, change]) => change);
    const error = await failureOf(run(Object.assign({}, ...changes) as Partial<Parts>));
    expect(error.message).toContain('(4 differences)');
    expect(log.filter((entry) => !isOpening(entry))).toEqual([]);
  });

  it('attempt parts invariant 3: whose migration fails calls no sink and no source', async () => {
    const { run, log, system } = await withOpenCommits(backendOf());
    const counts = RIGHT.counts.migrate((): number => {
      throw new Error('no such count');
    });
    const error = await failureOf(run({ counts }));
    expect(error.message).toContain('no such count');
    expect(log.filter((entry) => !isOpening(entry))).toEqual([]);
    await run({});
    expect(system.visible.toSorted()).toEqual(expected.toSorted());
  });

  it('opens functions, migrates, recovers, and only then makes writers and readers', async () => {
    const { run, log, system } = await withOpenCommits(backendOf());
    const counts = RIGHT.counts.migrate((count) => {
      if (log.at(-1) !== 'migrate') log.push('migrate');
      return count;
    });
    await run({ counts });
    expect(log.slice(0, log.indexOf('reader start') + 1)).toEqual([
      'open counts',
      'open list',
      'migrate',
      'sink createCommitter',
      'committer recover',
      'source createEnumerator',
      'sink createWriter',
      'enumerator start',
      'source createReader',
      'reader addSplits',
      'reader start',
    ]);
    expect(system.visible.toSorted()).toEqual(expected.toSorted());
  });
});

describe('a function that cannot be opened', () => {
  it('closes what was opened, and nothing else was made', async () => {
    const log: string[] = [];
    const { env } = environment();
    const source = new ScriptedSource<number>([scripted(3)]);
    const fn = (name: string, open: () => void) => () => ({
      open,
      processElement: () => undefined,
      close: () => void log.push(`close ${name}`),
    });
    env
      .fromSource(watched('source', source, log), none, 'In')
      .process(
        fn('first', () => {
          throw new Error('no licence');
        }),
      )
      .process(fn('second', () => void log.push('open second')))
      .sinkTo(watched('sink', new TransactionalSink(new ExternalSystem()), log));
    expect((await failureOf(env.execute('opening'))).message).toContain('failed while opening: no licence');
    expect(log).toEqual(['open second', 'close first', 'close second']);
  });
});

it('a start that is refused asks nobody for records that waited for their results', async () => {
  const storage = new MemoryStorage();
  const asked: number[] = [];
  const run = (uid: string) => {
    const { env, clock } = environment();
    env.enableCheckpointing({ intervalMs: 1e9, storage });
    const source = new ScriptedSource<number>([scripted(3)], { boundedness: 'unbounded' });
    const stream = env.fromSource(source, none, 'In').uid('in');
    const asking = {
      asyncInvoke(n: number) {
        asked.push(n);
        return new Promise<readonly number[]>(() => undefined);
      },
    };
    AsyncDataStream.orderedWait(stream, asking, { timeoutMs: 1e9 }).uid('asked').sinkTo(new CollectingSink());
    stream
      .keyBy((n) => n)
      .reduce((a) => a)
      .uid(uid)
      .sinkTo(new CollectingSink());
    return { client: env.executeAsync('asking'), clock };
  };
  const first = run('sums');
  await untilOnDisk(() => asked.length === 3);
  await first.client.stop();
  await failureOf(run('others').client.result);
  expect(asked).toEqual([0, 1, 2]);
  const again = run('sums');
  await untilOnDisk(() => asked.length === 6);
  await again.client.stop();
  expect(asked).toEqual([0, 1, 2, 0, 1, 2]);
});
