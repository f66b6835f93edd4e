import { describe, expect, it } from 'vitest';
import { Timers } from '../../src/runtime/timers.js';
import { untilAborted } from '../../src/runtime/until-aborted.js';
import { failureOf } from '../support/conditions.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { ManualClock } from '../support/manual-clock.js';

refuseUnhandledRejections();

describe('timers', () => {
  it('go off once, unless they are cancelled or set again', () => {
    const clock = new ManualClock();
    const timers = new Timers<'a' | 'b' | 'c'>(clock);
    const log: string[] = [];
    timers.set('a', 10, () => log.push('never'));
    timers.set('a', 20, () => log.push('a'));
    timers.set('b', 10, () => log.push('b'));
    timers.cancel('b');
    timers.set('c', Infinity, () => log.push('c'));
    clock.advance(1_000);
    expect(log).toEqual(['a']);
    timers.set('a', 10, () => log.push('again'));
    timers.set('b', 10, () => log.push('b'));
    timers.cancelAll();
    clock.advance(1_000);
    expect([log, clock.pending]).toEqual([['a'], 0]);
  });
});

describe('untilAborted', () => {
  it('settles as the promise does', async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
    expect(await failureOf(untilAborted(Promise.reject(new Error('no')), signal))).toEqual(new Error('no'));
  });

  it('rejects with the reason of the signal, before or while it waits; what comes later is nobody’s', async () => {
    const controller = new AbortController();
    const reason = new Error('over');
    let fail = (_error: Error) => {};
    const hanging = new Promise<never>((_resolve, reject) => (fail = reject));
    const waiting = failureOf(untilAborted(hanging, controller.signal));
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(await failureOf(untilAborted(hanging, controller.signal))).toBe(reason);
    fail(new Error('late'));
  });
});
