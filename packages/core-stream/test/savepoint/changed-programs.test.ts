/** Programs with other operators than the one that took the savepoint, and state without keys at another parallelism. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  heapStateBackend,
  ListStateDescriptor,
  StateSchema,
  ValueStateDescriptor,
  type DataStream,
  type Logger,
  type OperatorStateStore,
} from '../../src/index.js';
import { HeapOperatorState, type OperatorStateSnapshot } from '../../src/state/operator-state.js';
import { failureOf } from '../support/conditions.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { runPhases, startPhase, type PhasedJob } from '../support/phases.js';

refuseUnhandledRejections();

const inputs = [0, 1, 2, 3].map((phase) => Array.from({ length: 20 }, (_, i) => ({ value: phase * 20 + i })));

/** Counts by key under `uid`. */
function counts(stream: DataStream<number>, uid: string): DataStream<string> {
  return stream
    .keyBy((n) => n % 5)
    .process<string>((context) => {
      const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
      return {
        processElement(_n, { currentKey }, out) {
          count.update(count.value()! + 1);
          out.collect(`${uid} ${String(currentKey)} ${count.value()!}`);
        },
      };
    })
    .uid(uid);
}

/** The operators of each phase's program. */
function changing(uids: readonly (readonly string[])[], index: number): PhasedJob<number> {
  return {
    inputs,
    build: (stream) => {
      const [first, ...others] = uids[index]!.map((uid) => counts(stream, uid));
      return first!.union(...others);
    },
  };
}

async function run(uids: readonly (readonly string[])[], allowNonRestoredState: boolean) {
  const log: string[] = [];
  const write = (message: string, fields?: { uid?: unknown }) =>
    void log.push(`${message}: ${String(fields?.uid)}`);
  const logger: Logger = { debug: () => undefined, info: write, warn: write, error: write };
  const outputs: string[] = [];
  let savepoint: MemoryStorage | undefined;
  for (const index of uids.keys()) {
    const { client, sink } = await startPhase(
      changing(uids, index),
      index,
      { parallelism: 2, version: 1 },
      {
        config: {
          storage: new MemoryStorage(),
          allowNonRestoredState,
          ...(savepoint && { restore: { savepoint } }),
        },
        backend: heapStateBackend(),
        logger,
      },
    );
    savepoint = new MemoryStorage();
    await client.stop({ savepoint });
    await client.result;
    outputs.push(...sink.values);
  }
  return { outputs, log };
}

const upTo = (uid: string, from: number, to: number) =>
  Array.from({ length: 5 }, (_, key) =>
    Array.from({ length: to - from }, (_, i) => `${uid} ${key} ${from + i + 1}`),
  ).flat();

describe('a program that goes on from a savepoint', () => {
  it('may have an operator more, which begins afresh, and is told so', async () => {
    const { outputs, log } = await run([['a'], ['a', 'b']], false);
    expect(outputs.toSorted()).toEqual([...upTo('a', 0, 8), ...upTo('b', 0, 4)].toSorted());
    expect(log).toContain('the checkpoint has nothing of an operator: it begins afresh: b');
  });

  it('may have an operator less only where that is allowed', async () => {
    const error = await failureOf(run([['a', 'b', 'c'], ['b']], false));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain("an operator with uid 'a', which the program does not have");
    expect(error.message).toContain("an operator with uid 'c', which the program does not have");
    const { outputs } = await run([['a', 'b'], ['b']], true);
    expect(outputs.toSorted()).toEqual([...upTo('a', 0, 4), ...upTo('b', 0, 8)].toSorted());
  });

  it('that leaves state behind has lost it: the operator begins afresh when it is back', async () => {
    const { outputs } = await run([['a', 'b'], ['b'], ['a', 'b']], true);
    expect(outputs.toSorted()).toEqual(
      [...upTo('a', 0, 4), ...upTo('b', 0, 12), ...upTo('a', 0, 4)].toSorted(),
    );
  });
});

/** Keeps what it reads in a list that is dealt out, and what it has read by now in one that everybody gets. */
const listed: PhasedJob<number> = {
  inputs,
  build: (stream) =>
    stream
      .process<string>((context) => {
        const store: OperatorStateStore = context;
        const seen = store.getOperatorListState(new ListStateDescriptor<number>('seen'));
        const all = store.getUnionListState(new ListStateDescriptor<number>('all'));
        const before = [...all.get()];
        all.clear();
        let isFirst = true;
        return {
          processElement(n, _context, out) {
            if (isFirst) out.collect(`subtask ${context.subtaskIndex} knew ${before.toSorted().join()}`);
            isFirst = false;
            seen.add(n);
            all.add(n);
          },
          close: () => void kept.push([...seen.get()]),
        };
      })
      .uid('listed'),
};

/** What each subtask had at the end of its phase. */
const kept: number[][] = [];

it('lists are dealt out over 1 → 2 → 3 → 1, and union lists given to all, with nothing lost or doubled', async () => {
  kept.length = 0;
  const phases = [1, 2, 3, 1].map((parallelism) => ({ parallelism, version: 1 }));
  const outputs = await runPhases(listed, phases);
  const ofPhases = [kept.slice(0, 1), kept.slice(1, 3), kept.slice(3, 6), kept.slice(6)];
  for (const [phase, lists] of ofPhases.entries()) {
    const read = inputs
      .slice(0, phase + 1)
      .flat()
      .map(({ value }) => value);
    expect(lists.flat().toSorted((a, b) => a - b)).toEqual(read);
    const sizes = lists.map(({ length }) => length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(2); // dealt out evenly
  }
  const knew = (phase: number) => (inputs[phase - 1] ?? []).map(({ value }) => value).toSorted();
  expect(outputs.toSorted()).toEqual(
    phases
      .flatMap(({ parallelism }, phase) =>
        Array.from({ length: parallelism }, (_, subtask) => `subtask ${subtask} knew ${knew(phase).join()}`),
      )
      .toSorted(),
  );
});

describe('operator state', () => {
  /** The naive oracle: all elements in one list, which no restore changes; a union list is kept by subtask 0 alone. */
  it('P10: has every element once after any rescaling, in whatever versions', () => {
    const steps = fc.array(
      fc.record({
        parallelism: fc.integer({ min: 1, max: 6 }),
        added: fc.array(fc.nat(5), { maxLength: 8 }),
        /** Subtasks that do not ask for the lists in this run. */
        idle: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    );
    const initial = StateSchema.initial<number>();
    fc.assert(
      fc.property(steps, (runs) => {
        let snapshots: OperatorStateSnapshot[][] = [];
        let next = 0;
        const expected: number[] = [];
        for (const { parallelism, added, idle } of runs) {
          const subtasks = Array.from(
            { length: parallelism },
            (_, subtaskIndex) => new HeapOperatorState({ subtaskIndex, parallelism }, snapshots),
          );
          if (!idle) {
            const lists = subtasks.map((state) =>
              state.getOperatorListState(new ListStateDescriptor('dealt', { schema: initial })),
            );
            const unions = subtasks.map((state) =>
              state.getUnionListState(new ListStateDescriptor('all', { schema: initial })),
            );
            for (const union of unions) expect([...union.get()].toSorted((a, b) => a - b)).toEqual(expected);
            unions.slice(1).forEach((union) => union.clear());
            expect(lists.flatMap((list) => list.get()).toSorted((a, b) => a - b)).toEqual(expected);
            for (const at of added) {
              lists[at % parallelism]!.add(next);
              unions[0]!.add(next);
              expected.push(next++);
            }
          }
          snapshots = subtasks.map((state) => state.snapshot());
        }
        const all = new HeapOperatorState({ subtaskIndex: 0, parallelism: 1 }, snapshots);
        expect(
          all
            .getOperatorListState(new ListStateDescriptor<number>('dealt'))
            .get()
            .toSorted((a, b) => a - b),
        ).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });
});
