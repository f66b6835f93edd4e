import { ManualClock, MemoryCheckpointStorage } from '@millrace/core-stream/testing';
import { describe, expect, it } from 'vitest';
import { expectedResult } from '../../src/nexmark/expected-result.js';
import { EXPECTED } from '../../src/nexmark/expected.js';
import { QUERIES } from '../../src/nexmark/queries.js';
import { referenceResults } from '../../src/nexmark/reference.js';
import type { RowHashResult } from '../../src/nexmark/row-hash.js';
import { runLoop } from '../../src/nexmark/run-loop.js';
import { runProgram, type ProgramOptions } from '../../src/nexmark/run-program.js';

const EVENTS = 100_000;

/** Runs on a clock of its own, which moves on with every turn of the event loop: watermarks, windows, checkpoints. */
async function runOnClock(options: Omit<ProgramOptions, 'clock'>): Promise<RowHashResult> {
  const clock = new ManualClock(12_345);
  const running = runProgram({ ...options, clock });
  const ended = running.then(() => true);
  const turn = () => new Promise<boolean>((resolve) => setImmediate(() => resolve(false)));
  while (!(await Promise.race([ended, turn()]))) clock.advance(100);
  return running;
}

describe('the reference program', () => {
  it('gives the published results', () => {
    expect(referenceResults(EVENTS, 0)).toEqual(EXPECTED.get(EVENTS));
  });
});

describe.each(QUERIES)('%s', (query) => {
  const expected = expectedResult(query, EVENTS, 0, false);

  it('as a hand-written loop gives the published result', () => {
    expect(runLoop(query, EVENTS, 0)).toEqual(expected);
  });

  it.each([1, 2])('on the engine at parallelism %i gives the published result', async (parallelism) => {
    expect(await runOnClock({ query, events: EVENTS, seed: 0, parallelism })).toEqual(expected);
  });

  it('gives the result of the reference program for another seed, at parallelism 3, with checkpoints', async () => {
    const options = { query, events: 12_345, seed: 77, parallelism: 3 };
    const { events, seed } = options;
    const reference = expectedResult(query, events, seed, true);
    const storage = new MemoryCheckpointStorage(); // files would take longer than the clock allows them
    const checkpointed = await runOnClock({ ...options, checkpointIntervalMs: 1_000, storage });
    expect(checkpointed).toEqual(reference);
    expect(runLoop(query, events, seed)).toEqual(reference);
  });
});
