import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BarrierAlignment } from '../../src/runtime/barrier-alignment.js';

describe('barrier alignment', () => {
  it('barrier alignment invariant 1: blocks a channel from its barrier on, until all barriers are there', () => {
    const alignment = new BarrierAlignment(2);
    expect(alignment.onBarrier(0, 1)).toBe(false);
    expect([alignment.isBlocked(0), alignment.isBlocked(1)]).toEqual([true, false]);
    expect(alignment.hasBarrier(0, 1)).toBe(true);
    expect(alignment.hasBarrier(0, 2)).toBe(false);
    expect(alignment.onBarrier(1, 1)).toBe(true);
    expect([alignment.isBlocked(0), alignment.isBlocked(1)]).toEqual([false, false]);
  });

  it('barrier alignment invariant 2: a checkpoint that is over blocks nothing, whenever its barriers come', () => {
    const alignment = new BarrierAlignment(2);
    alignment.onBarrier(0, 1);
    alignment.end(1);
    expect(alignment.isBlocked(0)).toBe(false);
    expect(alignment.onBarrier(0, 2)).toBe(false);
    expect(alignment.onBarrier(1, 1)).toBe(false);
    expect([alignment.isBlocked(0), alignment.isBlocked(1)]).toEqual([true, false]);
    expect(alignment.onBarrier(1, 2)).toBe(true);
  });

  it('barrier alignment invariant 2: the end of an older checkpoint leaves a newer one alone', () => {
    const alignment = new BarrierAlignment(2);
    alignment.onBarrier(0, 2);
    alignment.end(1);
    expect(alignment.isBlocked(0)).toBe(true);
    expect(alignment.onBarrier(1, 2)).toBe(true);
  });

  it('barrier alignment invariant 3: the barrier of a newer checkpoint ends an older one', () => {
    const alignment = new BarrierAlignment(3);
    alignment.onBarrier(0, 1);
    alignment.onBarrier(1, 2);
    expect([0, 1, 2].map((channel) => alignment.isBlocked(channel))).toEqual([false, true, false]);
  });

  it('takes each checkpoint whose barriers all come and that nobody ends, once, and no other', () => {
    const CHECKPOINTS = 5;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.uniqueArray(fc.integer({ min: 1, max: CHECKPOINTS })),
        fc.array(fc.nat(20)),
        (channelCount, aborted, choices) => {
          const alignment = new BarrierAlignment(channelCount);
          // Every channel brings its barriers in order; the job aborts a checkpoint before it triggers the next one.
          const next = Array.from({ length: channelCount }, () => 1);
          const taken: number[] = [];
          let told = 0;
          const read = (channel: number): boolean => {
            const id = next[channel]!;
            if (id > CHECKPOINTS || alignment.isBlocked(channel)) return false;
            for (const earlier of aborted) {
              if (earlier < id && earlier > told) alignment.end(earlier);
            }
            told = Math.max(told, id - 1);
            next[channel]!++;
            if (alignment.onBarrier(channel, id)) taken.push(id);
            return true;
          };
          for (const choice of choices) read(choice % channelCount);
          for (const id of aborted) alignment.end(id);
          for (let hasRead = true; hasRead;) {
            hasRead = false;
            for (let channel = 0; channel < channelCount; channel++) hasRead = read(channel) || hasRead;
          }
          expect(taken).toEqual([...new Set(taken)].sort((a, b) => a - b));
          const newestAborted = Math.max(0, ...aborted);
          for (let id = newestAborted + 1; id <= CHECKPOINTS; id++) expect(taken).toContain(id);
        },
      ),
    );
  });
});
