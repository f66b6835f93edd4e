import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs, judgeCount, judgeScan, type ScanEvidence } from '../src/completeness.js';

const policy = { maxAttempts: 4, availabilityTimeoutMs: 1000 };
const evidence: ScanEvidence = {
  expectedRows: 10,
  delivered: 4,
  end: 'clean',
  availability: 'available',
  fruitlessAttempts: 1,
  waitedMs: 0,
};
const judge = (changes: Partial<ScanEvidence>) => judgeScan({ ...evidence, ...changes }, policy);

describe('judgeCount', () => {
  it('believes a count only if the same answer saw the whole segment (invariant 2)', () => {
    expect(judgeCount(10, 10, 3)).toEqual({ kind: 'proven', expectedRows: 3 });
    expect(judgeCount(10, 10, 0)).toEqual({ kind: 'proven', expectedRows: 0 });
    expect(judgeCount(10, 0, 0)).toEqual({ kind: 'unproven' });
    expect(judgeCount(10, 9, 3)).toEqual({ kind: 'contradiction' });
  });

  it('takes the total for num_rows where that is unknown, unless it is 0 too (invariant 3)', () => {
    expect(judgeCount(0, 10, 3)).toEqual({ kind: 'proven', expectedRows: 3 });
    expect(judgeCount(0, 0, 0)).toEqual({ kind: 'unproven' });
  });
});

describe('judgeScan', () => {
  it.each([
    ['all rows arrived', { delivered: 10 }, { kind: 'complete' }],
    ['it broke off after the last row', { delivered: 10, end: 'broken' }, { kind: 'complete' }],
    ['there are too many rows', { delivered: 11 }, { kind: 'fail', reason: 'surplus' }],
    ['rows are missing although it ended well', {}, { kind: 'retry' }],
    ['rows are missing for the last time', { fruitlessAttempts: 4 }, { kind: 'fail', reason: 'shortfall' }],
    ['it breaks off once more', { end: 'broken', fruitlessAttempts: 4 }, { kind: 'fail', reason: 'broken' }],
    ['Druid refuses', { end: 'refused' }, { kind: 'fail', reason: 'refused' }],
    ['the segment is gone, perhaps', { availability: 'gone', fruitlessAttempts: 3 }, { kind: 'retry' }],
    ['the segment is gone', { availability: 'gone', fruitlessAttempts: 4 }, { kind: 'fail', reason: 'gone' }],
    [
      'the segment is being loaded',
      { availability: 'unavailable', fruitlessAttempts: 99 },
      { kind: 'retry' },
    ],
    ['its server is away', { end: 'unreachable', fruitlessAttempts: 99 }, { kind: 'retry' }],
    ['its server stays away', { end: 'unreachable', waitedMs: 1000 }, { kind: 'fail', reason: 'broken' }],
    [
      'nobody can be reached, the Broker neither',
      { end: 'unreachable', availability: 'unknown', fruitlessAttempts: 4 },
      { kind: 'fail', reason: 'broken' },
    ],
    ['only a task serves it', { availability: 'realtime', fruitlessAttempts: 99 }, { kind: 'retry' }],
    [
      'it is never loaded',
      { availability: 'unavailable', waitedMs: 1000 },
      { kind: 'fail', reason: 'unavailable' },
    ],
  ] as const)('when %s', (_name, changes, verdict) => {
    expect(judge(changes)).toEqual(verdict);
  });

  it('is never complete with another number of rows than expected (invariant 4)', () => {
    fc.assert(
      fc.property(
        fc.record({
          expectedRows: fc.nat(5),
          delivered: fc.nat(5),
          end: fc.constantFrom('clean', 'broken', 'refused', 'unreachable'),
          availability: fc.constantFrom('available', 'realtime', 'unavailable', 'gone', 'unknown'),
          fruitlessAttempts: fc.nat(6),
          waitedMs: fc.nat(2000),
        }),
        (any: ScanEvidence) => {
          expect(judgeScan(any, policy).kind === 'complete').toBe(any.delivered === any.expectedRows);
        },
      ),
    );
  });
});

it('backs off from a quarter of a second to five', () => {
  expect([1, 2, 3, 5, 6, 99].map(backOffMs)).toEqual([250, 500, 1000, 4000, 5000, 5000]);
});
