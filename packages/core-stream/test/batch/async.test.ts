import { describe, expect, it } from 'vitest';
import { AsyncDataStream, AsyncRetryStrategies } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { environment } from '../support/environment.js';
import { drive, turn } from '../support/conditions.js';

describe('async I/O in batch mode', () => {
  it.each([true, false])(
    'ends before what is sorted behind it is handed on (chaining %s)',
    async (operatorChaining) => {
      const { env } = environment({ runtimeMode: 'batch', operatorChaining });
      const sink = new CollectingSink<string>();
      const numbers = env.fromCollection([5, 3, 4, 1, 2]);
      const doubled = AsyncDataStream.unorderedWait<number, number>(
        numbers,
        {
          asyncInvoke: async (n) => {
            for (let i = 0; i < n; i++) await turn();
            return [n * 2];
          },
        },
        { timeoutMs: 1000 },
      );
      doubled
        .keyBy((n) => n % 4)
        .reduce((a, b) => a + b)
        .map((sum) => `${sum}`)
        .sinkTo(sink);
      await env.execute('job');
      expect(sink.values.sort()).toEqual(['12', '18']);
    },
  );

  it('has time-outs and retries on a keyed stream too: answers come by the clock, whatever the mode', async () => {
    const { clock, env } = environment({ runtimeMode: 'batch' });
    const sink = new CollectingSink<string>();
    const answers = AsyncDataStream.orderedWait<number, string>(
      env.fromCollection([1, 2, 3]).keyBy((n) => n % 2),
      {
        asyncInvoke: async (n, { attempt }) => {
          if (n === 3) await new Promise(() => undefined);
          if (attempt === 1) throw new Error('not yet');
          return [`${n} in attempt ${attempt}`];
        },
        timeout: (n) => [`${n} timed out`],
      },
      { timeoutMs: 1000, retry: AsyncRetryStrategies.fixedDelay({ maxAttempts: 2, delayMs: 10 }) },
    );
    answers.sinkTo(sink);
    await drive(env.executeAsync('job'), clock, 10);
    expect(sink.values.sort()).toEqual(['1 in attempt 2', '2 in attempt 2', '3 timed out']);
  });
});
