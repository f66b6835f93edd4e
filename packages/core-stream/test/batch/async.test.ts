import { describe, expect, it } from 'vitest';
import { AsyncDataStream } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { environment } from '../support/environment.js';
import { turn } from '../support/conditions.js';

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
});
