import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConnectionSlots } from '../../src/transport/connection-slots.js';

const { signal: never } = new AbortController();
const server = 'http://druid';

it('hands slots over in the order in which they were asked for (invariant 1)', async () => {
  const slots = new ConnectionSlots(1);
  const first = await slots.take(server, never);
  const order: string[] = [];
  const waiting = ['a', 'b'].map(async (name) => {
    const release = await slots.take(server, never);
    order.push(name);
    release();
  });
  await slots.take('http://other', never); // has slots of its own
  expect(order).toEqual([]);
  first();
  await Promise.all(waiting);
  expect(order).toEqual(['a', 'b']);
});

it('takes no slot for who has given up, and gives none back twice (invariant 2)', async () => {
  const slots = new ConnectionSlots(1);
  const first = await slots.take(server, never);
  const abort = new AbortController();
  const given = slots.take(server, abort.signal);
  abort.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  first();
  first();
  await slots.take(server, never);
  const third = slots.take(server, abort.signal);
  await expect(third).rejects.toThrow('enough');
});

it('never gives out more than the limit, and forgets nobody', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom('take', 'release', 'give up'), { maxLength: 60 }),
      async (limit, steps) => {
        const slots = new ConnectionSlots(limit);
        const held: (() => void)[] = [];
        const waiting = new Map<AbortController, Promise<void>>();
        let wanted = 0;
        for (const step of steps) {
          if (step === 'take') {
            const abort = new AbortController();
            wanted += 1;
            const taking = slots.take(server, abort.signal).then(
              (release) => void held.push(release),
              () => undefined,
            );
            waiting.set(
              abort,
              taking.finally(() => waiting.delete(abort)),
            );
          } else if (step === 'release') {
            const release = held.shift();
            if (release !== undefined) wanted -= 1;
            release?.();
          } else {
            const [abort] = waiting.keys();
            if (abort !== undefined) wanted -= 1;
            abort?.abort();
          }
          await new Promise(setImmediate);
          expect(held.length).toBe(Math.min(limit, wanted));
        }
      },
    ),
    { numRuns: 100 },
  );
});
