import { ManualClock, turn } from '@millrace/core-stream/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyBatcher } from '../../src/lookup/key-batcher.js';

interface Key {
  readonly id: string;
}

/** A query that the test answers. */
interface Asked {
  readonly keys: readonly string[];
  readonly askedAt: number;
  readonly signal: AbortSignal;
  state: 'running' | 'answered' | 'failed' | 'cancelled';
  answer(): void;
  fail(error: Error): void;
}

const limits = { maxBatchKeys: 3, maxDelayMs: 5, maxConcurrentQueries: 2 };

function setUp(overrides: Partial<typeof limits> = {}) {
  const clock = new ManualClock(1000);
  const queries: Asked[] = [];
  const answers: { id: string; answer: string; askedAt: number }[] = [];
  const batcher = new KeyBatcher<Key, string>({
    ...limits,
    ...overrides,
    clock,
    onAnswer: (key, answer, askedAt) => answers.push({ id: key.id, answer, askedAt }),
    ask: (keys, signal) =>
      new Promise((resolve, reject) => {
        const number = queries.length;
        const asked: Asked = {
          keys: keys.map(({ id }) => id),
          askedAt: clock.now(),
          signal,
          state: 'running',
          answer: () => {
            asked.state = 'answered';
            resolve(keys.map(({ id }) => `${id} of query ${number}`));
          },
          fail: (error) => {
            asked.state = 'failed';
            reject(error);
          },
        };
        signal.addEventListener('abort', () => {
          asked.state = 'cancelled';
          reject(signal.reason as Error);
        });
        queries.push(asked);
      }),
  });
  const load = (id: string) => {
    const abort = new AbortController();
    const outcome = { value: undefined as string | undefined, error: undefined as unknown };
    batcher.load({ id }, abort.signal).then(
      (value) => (outcome.value = value),
      (error: unknown) => (outcome.error = error),
    );
    return { outcome, abort };
  };
  return { clock, queries, answers, batcher, load };
}

describe('KeyBatcher', () => {
  it('invariant 1: asks once for a key that several want', async () => {
    const { clock, queries, load, answers } = setUp();
    const first = load('a');
    const second = load('a');
    clock.advance(5);
    const third = load('a');
    expect(queries.map(({ keys }) => keys)).toEqual([['a']]);
    queries[0]?.answer();
    await turn();
    for (const { outcome } of [first, second, third]) expect(outcome.value).toBe('a of query 0');
    expect(answers).toEqual([{ id: 'a', answer: 'a of query 0', askedAt: 1005 }]);
  });

  it('invariant 3: asks when a batch is full, or its oldest key has waited long enough', () => {
    const { clock, queries, load } = setUp();
    for (const id of ['a', 'b', 'c', 'd']) load(id);
    expect(queries.map(({ keys }) => keys)).toEqual([['a', 'b', 'c']]);
    clock.advance(3);
    load('e');
    clock.advance(1);
    expect(queries).toHaveLength(1);
    clock.advance(1);
    expect(queries[1]?.keys).toEqual(['d', 'e']);
    expect(clock.pending).toBe(0);
  });

  it('invariants 2 and 3: with all queries taken keys wait, the oldest go next', async () => {
    const { clock, queries, load, batcher } = setUp({ maxConcurrentQueries: 1 });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) load(id);
    clock.advance(100);
    expect(queries).toHaveLength(1);
    expect(batcher.waitingKeys).toBe(4);
    queries[0]?.answer();
    await turn();
    expect(queries[1]?.keys).toEqual(['d', 'e', 'f']);
    expect(batcher.runningQueries).toBe(1);
  });

  it('invariant 4: does not ask for a key that nobody waits for any more, and cancels a query of such keys', async () => {
    const { clock, queries, load } = setUp();
    const a = load('a');
    const b = load('b');
    const c = load('c');
    const d = load('d');
    d.abort.abort(new Error('time is up'));
    clock.advance(50);
    expect(queries.map(({ keys }) => keys)).toEqual([['a', 'b', 'c']]);
    a.abort.abort(new Error('time is up'));
    b.abort.abort(new Error('time is up'));
    expect(queries[0]?.state).toBe('running');
    c.abort.abort(new Error('time is up'));
    expect(queries[0]?.state).toBe('cancelled');
    await turn();
    for (const { outcome } of [a, b, c, d]) expect(outcome.error).toEqual(new Error('time is up'));
    load('a');
    clock.advance(5);
    expect(queries[1]?.keys).toEqual(['a']);
  });

  it('invariant 5: a failure is told to those who wait, and the next wish asks again', async () => {
    const { clock, queries, load, answers } = setUp();
    const first = load('a');
    clock.advance(5);
    queries[0]?.fail(new Error('refused'));
    await turn();
    expect(first.outcome.error).toEqual(new Error('refused'));
    expect(answers).toEqual([]);
    const second = load('a');
    clock.advance(5);
    queries[1]?.answer();
    await turn();
    expect(second.outcome.value).toBe('a of query 1');
  });

  it('invariant 6: closing cancels, rejects, and resolves when the queries have ended', async () => {
    const { clock, queries, load, batcher } = setUp();
    const waiters = ['a', 'b', 'c', 'd'].map((id) => load(id));
    await batcher.close(new Error('closed'));
    expect(queries.map(({ state }) => state)).toEqual(['cancelled']);
    await turn();
    for (const { outcome } of waiters) expect(outcome.error).toEqual(new Error('closed'));
    const late = load('e');
    await turn();
    expect(late.outcome.error).toEqual(new Error('closed'));
    clock.advance(100);
    expect(queries).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it('gives every wish what a search through the log of queries says, in any order of events', async () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('load' as const), id: fc.constantFrom(...'abcdefg') }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(9) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 6 }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const { clock, queries, load, batcher } = setUp();
        const wishes: {
          id: string;
          /** The query that it must get: the running one with its key, or the next one with it. */
          joins: number | undefined;
          begunBefore: number;
          hasLeft: boolean;
          outcome: { value: string | undefined; error: unknown };
          abort: AbortController;
        }[] = [];
        const isLive = (wish: (typeof wishes)[number]) =>
          !wish.hasLeft && wish.outcome.value === undefined && wish.outcome.error === undefined;
        const check = () => {
          const running = queries.filter(({ state }) => state === 'running');
          const keys = running.flatMap((query) => query.keys);
          expect(new Set(keys).size).toBe(keys.length); // invariant 1
          expect(running.length).toBeLessThanOrEqual(limits.maxConcurrentQueries); // invariant 2
          for (const query of queries) expect(query.keys.length).toBeLessThanOrEqual(limits.maxBatchKeys);
          for (const query of running) {
            const isWanted = wishes.some((wish) => isLive(wish) && query.keys.includes(wish.id));
            expect(isWanted).toBe(true); // invariant 4
          }
        };
        for (const each of steps) {
          if (each.do === 'load') {
            const joins = queries.findIndex(
              ({ state, keys }) => state === 'running' && keys.includes(each.id),
            );
            const begunBefore = queries.length;
            wishes.push({
              id: each.id,
              joins: joins < 0 ? undefined : joins,
              begunBefore,
              hasLeft: false,
              ...load(each.id),
            });
          } else if (each.do === 'wait') clock.advance(each.ms);
          else if (each.do === 'leave') {
            const live = wishes.filter(isLive);
            const wish = live[each.which % Math.max(1, live.length)];
            if (wish !== undefined) {
              wish.hasLeft = true;
              wish.abort.abort(new Error('left'));
            }
          } else {
            const running = queries.filter(({ state }) => state === 'running');
            const query = running[each.which % Math.max(1, running.length)];
            if (each.do === 'answer') query?.answer();
            else query?.fail(new Error('refused'));
          }
          await turn();
          check();
        }
        while (queries.some(({ state }) => state === 'running') || batcher.waitingKeys > 0) {
          for (const query of queries) if (query.state === 'running') query.answer();
          clock.advance(limits.maxDelayMs);
          await turn();
          check();
        }
        clock.advance(limits.maxDelayMs); // a wake-up for a key that was given up
        for (const wish of wishes) {
          const { id, joins, begunBefore, outcome } = wish;
          if (wish.hasLeft) {
            expect(outcome.error).toEqual(new Error('left'));
            continue;
          }
          const number = joins ?? queries.findIndex(({ keys }, i) => i >= begunBefore && keys.includes(id));
          const query = queries[number];
          if (query?.state === 'failed')
            expect(outcome.error).toEqual(new Error('refused')); // invariant 5
          else expect(outcome).toEqual({ value: `${id} of query ${number}`, error: undefined });
        }
        expect(clock.pending).toBe(0);
        expect(batcher.runningQueries).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
