import { describe, expect, it } from 'vitest';
import { AsyncRetryStrategies, MAX_WATERMARK, OperatorError } from '../../src/index.js';
import type { AsyncContext, AsyncFunction } from '../../src/index.js';
import { AsyncSubtask, RemoteService, type AsyncSubtaskOptions } from '../support/async-subtask.js';
import { failureOf } from '../support/conditions.js';
import { refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

const setUp = (options: Partial<AsyncSubtaskOptions> = {}, service = new RemoteService()) => ({
  service,
  subtask: new AsyncSubtask(service, { isOrdered: false, timeoutMs: 1000, ...options }),
});

describe('an ordered async wait', () => {
  it('async queue invariant 1: emits results in the order of the records, with their timestamps', async () => {
    const { service, subtask } = setUp({ isOrdered: true });
    subtask.batch(1, 2, 3);
    service.answer(3);
    service.answer(2, ['b', 'c']);
    await subtask.turn();
    expect(subtask.elements).toEqual([]);
    service.answer(1, []);
    await subtask.turn();
    expect(subtask.elements).toEqual(['b@2', 'c@2', 'r3@3']);
  });

  it('bounds what is complete but cannot leave yet, too', async () => {
    const { service, subtask } = setUp({ isOrdered: true, capacity: 2 });
    subtask.batch(1, 2, 3);
    service.answer(2);
    await subtask.turn();
    expect(service.asked).toEqual([1, 2]);
    expect(subtask.operator.isFull).toBe(true);
    service.answer(1);
    await subtask.turn();
    expect(service.asked).toEqual([1, 2, 3]);
    expect(subtask.operator.isFull).toBe(false);
  });
});

describe('an unordered async wait', () => {
  it('emits results as they come, but never past a watermark (async queue invariant 2)', async () => {
    const { service, subtask } = setUp();
    subtask.batch(1, 2);
    subtask.operator.processWatermark(2);
    subtask.batch(3, 4);
    for (const value of [4, 2]) {
      service.answer(value);
      await subtask.turn();
    }
    expect(subtask.elements).toEqual(['r2@2']);
    service.answer(1);
    await subtask.turn();
    expect(subtask.elements).toEqual(['r2@2', 'r1@1', { watermark: 2 }, 'r4@4']);
    service.answer(3);
    await subtask.turn();
    expect(subtask.elements.at(-1)).toBe('r3@3');
  });

  it('passes watermarks and idleness on at once where nothing is in flight', () => {
    const { subtask } = setUp();
    subtask.operator.processWatermark(5);
    subtask.operator.processIdle(true);
    subtask.operator.processIdle(false);
    subtask.operator.processWatermark(6);
    expect(subtask.elements).toEqual([
      { watermark: 5 },
      { isIdle: true },
      { isIdle: false },
      { watermark: 6 },
    ]);
  });

  it('async queue invariant 4: marks that follow one another leave as one', async () => {
    const { service, subtask } = setUp();
    subtask.operator.processIdle(true);
    subtask.batch(1);
    for (let time = 2; time < 100; time++) {
      subtask.operator.processIdle(false);
      subtask.operator.processWatermark(time);
      subtask.operator.processIdle(true);
    }
    service.answer(1);
    await subtask.turn();
    expect(subtask.elements).toEqual([
      { isIdle: true },
      'r1@1',
      { isIdle: false },
      { watermark: 99 },
      { isIdle: true },
    ]);
  });
});

describe.each([true, false])('an async wait (ordered: %s)', (isOrdered) => {
  it('invariant 2: has at most `capacity` calls in flight; the rest of a batch waits its turn', async () => {
    const { service, subtask } = setUp({ isOrdered, capacity: 2 });
    subtask.batch(1);
    expect(subtask.operator.isFull).toBe(false);
    subtask.batch(2, 3, 4, 5);
    expect(subtask.operator.isFull).toBe(true);
    expect(service.asked).toEqual([1, 2]);
    for (const value of [1, 2, 3]) {
      service.answer(value);
      await subtask.turn();
    }
    expect(service.asked).toEqual([1, 2, 3, 4, 5]);
    expect(subtask.operator.isFull).toBe(true);
    service.answer(4);
    await subtask.turn();
    expect(subtask.operator.isFull).toBe(false);
    expect(service.mostUnsettled).toBe(2);
  });

  it('invariant 1: handles what is settled in one turn in one piece of mail', async () => {
    const { service, subtask } = setUp({ isOrdered });
    subtask.batch(1, 2, 3);
    for (const value of [1, 2, 3]) service.answer(value);
    await subtask.turn();
    expect(subtask.mailRead).toBe(1);
    expect(subtask.elements).toEqual(['r1@1', 'r2@2', 'r3@3']);
  });

  it('has drained when everything has left, +∞ last', async () => {
    const { service, subtask } = setUp({ isOrdered });
    subtask.batch(1);
    subtask.operator.processWatermark(MAX_WATERMARK);
    expect(subtask.operator.drain?.()).toBe('wait');
    service.answer(1);
    expect(subtask.operator.drain?.()).toBe('wait');
    await subtask.turn();
    expect(subtask.operator.drain?.()).toBe('done');
    expect(subtask.elements).toEqual(['r1@1', { watermark: MAX_WATERMARK }]);
    subtask.operator.finish?.();
    expect(subtask.clock.pending).toBe(0);
  });

  it('invariant 4: a snapshot holds what has not been emitted, in order; restored, it is asked first', async () => {
    const { service, subtask } = setUp({ isOrdered, capacity: 3 });
    subtask.batch(1, 2);
    subtask.operator.processWatermark(2);
    subtask.batch(3, 4, 5);
    service.answer(3);
    service.answer(1);
    await subtask.turn();
    service.answer(2); // the promise is settled, the result has not been emitted
    const state = subtask.operator.snapshotState?.(1);
    await subtask.close();
    expect(subtask.elements).toEqual(['r1@1']);

    const next = setUp({ isOrdered, capacity: 3, restored: [state] });
    await next.subtask.operator.open?.();
    next.subtask.operator.start?.();
    next.subtask.operator.processWatermark(2);
    next.subtask.batch(6);
    for (const value of [2, 3, 4, 5, 6]) {
      next.service.answer(value);
      await next.subtask.turn();
    }
    expect(next.service.asked).toEqual([2, 3, 4, 5, 6]);
    // Also the watermark between the records is where it was: what came behind it is late, if it was.
    expect(next.subtask.elements).toEqual(['r2@2', { watermark: 2 }, 'r3@3', 'r4@4', 'r5@5', 'r6@6']);
  });

  it('invariant 4: what was late behind it stays late after a restore', async () => {
    const states = [5, 3].map((watermark) => {
      const { subtask } = setUp({ isOrdered });
      subtask.operator.processWatermark(watermark);
      subtask.batch(1);
      subtask.operator.processWatermark(9); // has not left
      return subtask.operator.snapshotState?.(1);
    });
    for (const [parallelism, watermark] of [
      [2, 5],
      [1, 3],
    ] as const) {
      const { service, subtask } = setUp({ isOrdered, restored: states, parallelism });
      await subtask.operator.open?.();
      subtask.operator.start?.();
      service.answer(1);
      await subtask.turn();
      expect(subtask.elements).toEqual([{ watermark }, 'r1@1']);
    }
  });

  it.each([1, 2, 3, 5])(
    'restores the records of three subtasks at parallelism %i, each once',
    async (parallelism) => {
      const states = [[1, 2, 3, 4], [], [5, 6, 7]].map((values) => {
        const { subtask } = setUp({ isOrdered });
        subtask.batch(...values);
        return subtask.operator.snapshotState?.(1);
      });
      const asked: number[][] = [];
      for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
        const { service, subtask } = setUp({ isOrdered, restored: states, subtaskIndex, parallelism });
        await subtask.operator.open?.();
        subtask.operator.start?.();
        expect(service.asked).toEqual([...service.asked].sort());
        asked.push(service.asked);
      }
      expect(asked.flat().sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
      if (parallelism === 2)
        expect(asked).toEqual([
          [1, 3, 5, 7],
          [2, 4, 6],
        ]);
      if (parallelism === 3) expect(asked).toEqual([[1, 2, 3, 4], [], [5, 6, 7]]);
    },
  );
});

describe('a time-out', () => {
  it('fails with the operator and the record, and aborts the signal', async () => {
    const { service, subtask } = setUp();
    subtask.batch(1);
    await subtask.advance(500);
    subtask.batch(2);
    const { signal } = service.call(1);
    const other = service.call(2).signal;
    await subtask.advance(499);
    expect(signal.aborted).toBe(false);
    const error = await failureOf(subtask.advance(1));
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toBe(
      "'Enrich' (subtask 0) failed while processing the record 1: no result within 1000 ms. " +
        'Allow more time (timeoutMs), or give the function a timeout(value) that says what to emit.',
    );
    expect(error).toMatchObject({ retryable: true, details: { operator: 'Enrich', subtask: 0 } });
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(other.aborted).toBe(false);
  });

  it.each([true, false])(
    'is handled by the function where it can (ordered: %s); later answers are ignored',
    async (isOrdered) => {
      const service = new RemoteService() as RemoteService & AsyncFunction<number, string>;
      service.timeout = (value) => [`late${value}`];
      const { subtask } = setUp({ isOrdered, capacity: 2 }, service);
      subtask.batch(1, 2, 3);
      await subtask.advance(1000);
      expect(subtask.elements).toEqual(['late1@1', 'late2@2']);
      expect(service.asked).toEqual([1, 2, 3]); // its time begins with its call
      service.answer(1);
      service.call(2).reject(new Error('too late'));
      service.answer(3);
      await subtask.turn();
      expect(subtask.elements).toEqual(['late1@1', 'late2@2', 'r3@3']);
    },
  );

  it('invariant 3: needs one wake-up for all records', async () => {
    const { service, subtask } = setUp();
    for (let value = 0; value < 50; value++) {
      subtask.batch(value);
      await subtask.advance(1);
    }
    expect(subtask.clock.pending).toBe(1);
    for (let value = 0; value < 50; value++) service.answer(value);
    await subtask.turn();
    await subtask.advance(10_000);
    expect(subtask.clock.pending).toBe(0);
  });

  it('can be none', async () => {
    const { service, subtask } = setUp({ timeoutMs: Infinity });
    subtask.batch(1);
    expect(subtask.clock.pending).toBe(0);
    await subtask.advance(1e12);
    service.answer(1);
    await subtask.turn();
    expect(subtask.elements).toEqual(['r1@1']);
  });
});

describe('a retry', () => {
  const retry = AsyncRetryStrategies.fixedDelay<string>({ maxAttempts: 3, delayMs: 100 });

  it('makes the call again after the delay, up to the last attempt', async () => {
    const { service, subtask } = setUp({ retry });
    subtask.batch(1, 2);
    for (const attempt of [1, 2]) {
      expect(service.call(1).attempt).toBe(attempt);
      service.call(1).reject(new Error('busy'));
      await subtask.turn();
      await subtask.advance(99);
      expect(service.unsettled.map(({ value }) => value)).toEqual([2]);
      await subtask.advance(1);
    }
    service.call(1).reject(new Error('busy'));
    const error = await failureOf(subtask.turn());
    expect(error.message).toBe(
      "'Enrich' (subtask 0) failed while processing, in attempt 3, the record 1: busy",
    );
  });

  it('may depend on the error and on the result; the last result is emitted as it is', async () => {
    const { service, subtask } = setUp({
      retry: {
        ...retry,
        retryOnError: (error) => (error as Error).message === 'busy',
        retryOnResult: (results) => results.length === 0,
      },
    });
    subtask.batch(1);
    for (let attempt = 1; attempt <= 3; attempt++) {
      service.answer(1, []);
      await subtask.turn();
      await subtask.advance(100);
    }
    expect(subtask.operator.drain?.()).toBe('done');
    subtask.batch(2);
    service.call(2).reject(new Error('busy'));
    await subtask.turn();
    await subtask.advance(100);
    service.call(2).reject(new Error('gone'));
    expect((await failureOf(subtask.turn())).message).toContain('in attempt 2, the record 2: gone');
  });

  it('has no more time than the record: the time-out covers all attempts and waits', async () => {
    const service = new RemoteService() as RemoteService & AsyncFunction<number, string>;
    service.timeout = () => ['late'];
    const { subtask } = setUp({ retry, timeoutMs: 150 }, service);
    subtask.batch(1, 2);
    await subtask.advance(60);
    for (const value of [1, 2]) service.call(value).reject(new Error('busy'));
    await subtask.turn();
    await subtask.advance(90);
    expect(subtask.elements).toEqual(['late@1', 'late@2']);
    await subtask.advance(1000);
    expect(service.asked).toEqual([1, 2]);
    expect(subtask.clock.pending).toBe(0);
  });

  it('also follows a call that throws instead of rejecting', async () => {
    let attempts = 0;
    const flaky: AsyncFunction<number, string> = {
      asyncInvoke: (value) => {
        if (++attempts < 3) throw new Error('not yet');
        return Promise.resolve([`r${value}`]);
      },
    };
    const subtask = new AsyncSubtask(flaky, { isOrdered: false, timeoutMs: 1000, retry });
    subtask.batch(7);
    await subtask.turn();
    await subtask.advance(100);
    await subtask.turn();
    await subtask.advance(100);
    await subtask.turn();
    expect(subtask.elements).toEqual(['r7@7']);
  });
});

describe('a failure', () => {
  it.each<[string, Partial<AsyncFunction<number, string>>, string]>([
    ['a rejection', { asyncInvoke: () => Promise.reject(new TypeError('boom')) }, 'boom'],
    [
      'a throw',
      {
        asyncInvoke: () => {
          throw new TypeError('boom');
        },
      },
      'boom',
    ],
    [
      'a result that is no array',
      { asyncInvoke: () => Promise.resolve('one' as never) },
      'asyncInvoke gave "one", not an array of results',
    ],
    [
      'a time-out handler that throws',
      {
        timeout: () => {
          throw new TypeError('boom');
        },
      },
      'boom',
    ],
    [
      'a time-out handler that gives no array',
      { timeout: () => undefined as never },
      'timeout gave undefined, not an array of results',
    ],
  ])('names the operator and the record: %s', async (_what, parts, message) => {
    const subtask = new AsyncSubtask(
      { asyncInvoke: () => new Promise(() => undefined), ...parts },
      { isOrdered: true, timeoutMs: 10 },
    );
    subtask.batch(7);
    const error = await failureOf(subtask.turn().then(() => subtask.advance(10)));
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toBe(`'Enrich' (subtask 0) failed while processing the record 7: ${message}`);
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  it('of a retry predicate names the record, too', async () => {
    const { service, subtask } = setUp({
      retry: {
        ...AsyncRetryStrategies.fixedDelay({ maxAttempts: 2, delayMs: 1 }),
        retryOnResult: () => {
          throw new Error('boom');
        },
      },
    });
    subtask.batch(7);
    service.answer(7);
    expect((await failureOf(subtask.turn())).message).toContain('the record 7: boom');
  });
});

describe('the function', () => {
  it('is opened before restored records are asked about, and closed once', async () => {
    const { subtask } = setUp();
    subtask.batch(1);
    const log: string[] = [];
    const restored = new AsyncSubtask(
      () => ({
        open: async ({ subtaskIndex }) => {
          await Promise.resolve();
          log.push(`open ${subtaskIndex}`);
        },
        asyncInvoke: (value) => {
          log.push(`ask ${value}`);
          return Promise.resolve([]);
        },
        close: () => void log.push('close'),
      }),
      { isOrdered: true, timeoutMs: 10, restored: [subtask.operator.snapshotState?.(1)] },
    );
    await restored.operator.open?.();
    expect(log).toEqual(['open 0']); // the job may still be refused
    restored.operator.start?.();
    await restored.close();
    expect(log).toEqual(['open 0', 'ask 1', 'close']);
  });

  it('gets a context of its own for each record', async () => {
    const contexts: AsyncContext[] = [];
    const subtask = new AsyncSubtask(
      {
        asyncInvoke: (_value, context) => {
          contexts.push(context);
          return Promise.resolve([]);
        },
      },
      { isOrdered: false, timeoutMs: 10 },
    );
    subtask.batch(1, 2);
    await subtask.turn();
    expect(contexts.map(({ timestamp, attempt }) => [timestamp, attempt])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(contexts[0]!.signal).not.toBe(contexts[1]!.signal);
    expect(contexts[0]!.signal.aborted).toBe(false);
  });

  it('invariant 5: sees the signal aborted when the job ends; what comes then is ignored', async () => {
    const retry = AsyncRetryStrategies.fixedDelay<string>({ maxAttempts: 3, delayMs: 100 });
    const { service, subtask } = setUp({ retry });
    subtask.batch(1, 2, 3);
    service.call(3).reject(new Error('busy'));
    await subtask.turn();
    const reason = new Error('cancelled');
    const { signal } = service.call(1);
    await subtask.close(reason);
    expect(signal.reason).toBe(reason);
    expect(subtask.clock.pending).toBe(0);
    service.answer(1);
    service.call(2).reject(new Error('aborted'));
    await subtask.turn();
    expect(subtask.elements).toEqual([]);
    expect(service.unsettled).toEqual([]);
  });
});
