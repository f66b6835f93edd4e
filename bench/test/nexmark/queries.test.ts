import { ManualClock } from '@millrace/core-stream/testing';
import { describe, expect, it } from 'vitest';
import { expectedResult } from '../../src/nexmark/expected-result.js';
import { EXPECTED } from '../../src/nexmark/expected.js';
import { QUERIES } from '../../src/nexmark/queries.js';
import { referenceResults } from '../../src/nexmark/reference.js';
import { runLoop } from '../../src/nexmark/run-loop.js';
import { runProgram } from '../../src/nexmark/run-program.js';

const EVENTS = 100_000;

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
    const clock = new ManualClock(12_345);
    const running = runProgram({ query, events: EVENTS, seed: 0, parallelism, clock });
    const ended = running.then(() => true);
    const turn = () => new Promise<boolean>((resolve) => setImmediate(() => resolve(false)));
    while (!(await Promise.race([ended, turn()]))) clock.advance(100);
    expect(await running).toEqual(expected);
  });
});
