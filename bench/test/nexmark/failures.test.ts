import { ManualClock, MemoryCheckpointStorage } from '@millrace/core-stream/testing';
import { describe, expect, it } from 'vitest';
import { expectedResult } from '../../src/nexmark/expected-result.js';
import { QUERIES } from '../../src/nexmark/queries.js';
import type { RowHashResult } from '../../src/nexmark/row-hash.js';
import { runProgram, type ProgramOptions } from '../../src/nexmark/run-program.js';

const EVENTS = 100_000;
/** Run after run; all but the last one fail. */
const PARALLELISMS = [1, 2, 3, 1];
/** Events of a run that fails, at least: so each run has its part of the work, and state to take over. */
const EVENTS_OF_RUN = 22_000;

async function runOnClock(options: ProgramOptions, clock: ManualClock): Promise<RowHashResult> {
  const running = runProgram({ ...options, clock });
  const ended = running.then(
    () => true,
    () => true,
  );
  const turn = () => new Promise<boolean>((resolve) => setImmediate(() => resolve(false)));
  while (!(await Promise.race([ended, turn()]))) clock.advance(100);
  return running;
}

describe.each(QUERIES)('%s', (query) => {
  // Behind one source subtask everything is spread anew; else the source's own position moves, too.
  it.each([
    ['behind the source', 1],
    ['source included', undefined],
  ])(
    'gives the published result after crashes, at parallelism 1, 2, 3 and 1: %s',
    async (_, sourceParallelism) => {
      const storage = new MemoryCheckpointStorage();
      const clock = new ManualClock(12_345);
      const restoredFrom: (number | undefined)[] = [];
      for (const [run, parallelism] of PARALLELISMS.entries()) {
        const isLast = run === PARALLELISMS.length - 1;
        const start = storage.lastId;
        let made = 0;
        restoredFrom.push(start);
        const result = runOnClock(
          {
            query,
            events: EVENTS,
            seed: 0,
            parallelism,
            ...(sourceParallelism === undefined ? {} : { sourceParallelism }),
            checkpointIntervalMs: 100,
            storage,
            onMade(count) {
              made += count;
              if (!isLast && made > EVENTS_OF_RUN && storage.lastId !== start) throw new Error('injected');
            },
          },
          clock,
        );
        if (isLast) expect(await result).toEqual(expectedResult(query, EVENTS, 0, false));
        else await expect(result).rejects.toThrow('injected');
      }
      // Each run has gone on from a checkpoint of the one before.
      expect(new Set(restoredFrom).size).toBe(PARALLELISMS.length);
    },
  );
});
