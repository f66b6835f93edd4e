import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fifo } from '../../src/runtime/fifo.js';

describe('a fifo', () => {
  it('gives back what was put into it, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), (steps) => {
        const fifo = new Fifo<number>();
        const naive: number[] = [];
        for (const [n, isPush] of steps.entries()) {
          if (isPush) {
            fifo.push(n);
            naive.push(n);
          } else expect(fifo.shift()).toBe(naive.shift());
          expect(fifo.size).toBe(naive.length);
        }
        fifo.clear();
        expect(fifo.shift()).toBeUndefined();
      }),
    );
  });

  it('stays small when it is never empty', () => {
    const fifo = new Fifo<number>();
    for (let n = 0; n < 5; n++) fifo.push(n);
    for (let n = 5; n < 10_000; n++) {
      fifo.push(n);
      expect(fifo.shift()).toBe(n - 5);
    }
    expect(fifo.slots).toBe(8);
  });
});
