import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SubtaskOrders } from '../../src/operators/subtask-orders.js';

it('orders rise from run to run, and no two subtasks give the same one, at whatever parallelism', () => {
  const run = fc.record({
    parallelism: fc.integer({ min: 1, max: 5 }),
    /** How many are taken by the subtask of that number. */
    taken: fc.array(fc.tuple(fc.nat(4), fc.nat(7)), { maxLength: 10 }),
  });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 8 }), (runs) => {
      const before = new Set<number>();
      let stored: number[] = [];
      for (const { parallelism, taken } of runs) {
        const subtasks = Array.from({ length: parallelism }, (_, subtaskIndex) => {
          const orders = new SubtaskOrders({ subtaskIndex, parallelism });
          orders.continueAt(stored);
          return orders;
        });
        const first = Math.max(-1, ...before);
        for (const [index, count] of taken) {
          const orders = subtasks[index % parallelism]!;
          for (let i = 0, last = first; i < count; i++) {
            const order = orders.next();
            expect(order).toBeGreaterThan(last);
            expect(before.has(order)).toBe(false);
            before.add(order);
            last = order;
          }
        }
        stored = subtasks.map(({ nextOrder }) => nextOrder);
      }
    }),
    { numRuns: 200 },
  );
});
