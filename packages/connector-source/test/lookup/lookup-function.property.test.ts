import type { AsyncRuntimeContext } from '@millrace/core-stream';
import { ManualClock, TestMetrics, turn } from '@millrace/core-stream/testing';
import type { DruidClient, SqlFragment } from '@millrace/druid-client';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DruidLookup } from '../../src/index.js';

const ttlMs = 20;
const negativeTtlMs = 8;

/** A query that waits for the test. What it reads is what there was when it began. */
interface Asked {
  readonly keys: readonly string[];
  readonly askedAt: number;
  readonly rows: readonly { 'key id': string; readIn: number }[];
  state: 'running' | 'answered' | 'failed';
  answeredAt: number;
  settle(isAnswer: boolean): void;
}

/** Druid, with one row for each key that exists, which tells the query that has read it. */
function scriptedDruid(clock: ManualClock) {
  const queries: Asked[] = [];
  const existing = new Set(['a', 'b']);
  const stream = (query: SqlFragment) => {
    const keys = query.toStatement().parameters.map(({ value }) => value as string);
    const readIn = queries.length;
    const rows = keys.filter((key) => existing.has(key)).map((key) => ({ 'key id': key, readIn }));
    let settle: Asked['settle'] = () => undefined;
    const answered = new Promise<void>((resolve, reject) => {
      settle = (isAnswer) => {
        asked.state = isAnswer ? 'answered' : 'failed';
        asked.answeredAt = clock.now();
        if (isAnswer) resolve();
        else reject(new Error('refused'));
      };
    });
    const asked: Asked = { keys, askedAt: clock.now(), rows, state: 'running', answeredAt: 0, settle };
    queries.push(asked);
    return (async function* () {
      await answered;
      yield rows;
    })();
  };
  return {
    queries,
    existing,
    druid: { sql: { stream, query: () => Promise.resolve([]) } } as unknown as DruidClient,
  };
}

it('invariants 1 and 2: joins what a search through all queries finds, in any order of answers and times', async () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('record' as const), id }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), which: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('change' as const), id }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 12 }) }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const clock = new ManualClock(1000);
      const { queries, existing, druid } = scriptedDruid(clock);
      const lookup = new DruidLookup({
        druid,
        from: 'places',
        key: { id: 'string' },
        columns: { readIn: 'long not null' },
        cache: { ttlMs, negativeTtlMs },
        batch: { maxKeys: 2, maxDelayMs: 3, maxConcurrentQueries: 2 },
      });
      const context = { clock, metrics: new TestMetrics(clock).group } as unknown as AsyncRuntimeContext;
      const join = lookup.leftJoin({ key: (key: string) => ({ id: key }), join: (_, row) => row?.readIn });
      const subtask = join(context);
      await subtask.open?.(context);

      const hasRow = (query: Asked, key: string) => query.rows.some((row) => row['key id'] === key);
      const isFresh = (query: Asked, key: string) =>
        query.askedAt + (hasRow(query, key) ? ttlMs : negativeTtlMs) > clock.now();
      const joined: { id: string; from: Asked | undefined; since: number; result: unknown }[] = [];
      for (const each of steps) {
        if (each.do === 'wait') clock.advance(each.ms);
        else if (each.do === 'change') {
          if (!existing.delete(each.id)) existing.add(each.id);
        } else if (each.do === 'record') {
          const own = queries.filter(({ keys }) => keys.includes(each.id));
          const remembered = own
            .filter((query) => query.state === 'answered' && isFresh(query, each.id))
            .toSorted((a, b) => a.askedAt - b.askedAt)
            .at(-1);
          const from = remembered ?? own.find(({ state }) => state === 'running');
          const wish = { id: each.id, from, since: queries.length, result: undefined as unknown };
          joined.push(wish);
          subtask
            .asyncInvoke(each.id, { signal: new AbortController().signal, attempt: 1, timestamp: 0 })
            .then(
              (results) => (wish.result = results),
              (error: unknown) => (wish.result = error),
            );
        } else {
          const running = queries.filter(({ state }) => state === 'running');
          running[each.which % Math.max(1, running.length)]?.settle(each.do === 'answer');
        }
        await turn();
      }
      while (joined.some(({ result }) => result === undefined)) {
        for (const query of queries) if (query.state === 'running') query.settle(true);
        clock.advance(3);
        await turn();
      }
      for (const { id: key, from, since, result } of joined) {
        const query = from ?? queries.slice(since).find(({ keys }) => keys.includes(key));
        if (query?.state === 'failed') expect(result).toMatchObject({ code: 'DRUID_SOURCE_READ' });
        else expect(result).toEqual([hasRow(query!, key) ? queries.indexOf(query!) : undefined]);
      }
      await subtask.close?.();
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 200 },
  );
});
