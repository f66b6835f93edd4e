import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DruidConnectionError } from '../../src/errors.js';
import { nextCircuitState, type CircuitEvent, type CircuitState } from '../../src/transport/circuit.js';
import { Circuits, type CircuitPass } from '../../src/transport/circuits.js';

const policy = { maxFailures: 3, minOutageMs: 0, openMs: 100 };
const url = 'http://druid:8888/status';
const request = { method: 'GET', url, requestId: 'r1' };

/** Circuits with a clock of the test's own. */
function circuits(options: { policy?: typeof policy | undefined } = { policy }) {
  const clock = { nowMs: 1_000 };
  const changes: string[] = [];
  const all = new Circuits(
    options.policy,
    () => clock.nowMs,
    (origin, { name }) => changes.push(`${origin} ${name}`),
  );
  return { clock, changes, all };
}

function failTimes(all: Circuits, times: number, reason = 'ECONNREFUSED'): void {
  for (let n = 0; n < times; n++) all.enter(request).unanswered(reason);
}

function refusal(enter: () => unknown): DruidConnectionError {
  try {
    enter();
  } catch (error) {
    if (DruidConnectionError.is(error)) return error;
    throw error;
  }
  throw new Error('Expected a refusal');
}

describe('a circuit', () => {
  it('opens after so many failures in a row, and an answer starts the count anew (invariant 1)', () => {
    const { all } = circuits();
    failTimes(all, 2);
    all.enter(request).answered();
    failTimes(all, 2);
    expect(all.stateOf('http://druid:8888').name).toBe('closed');
    failTimes(all, 1);
    expect(all.stateOf('http://druid:8888').name).toBe('open');
  });

  it('does not open for a short outage, however many fail in it (invariant 1)', () => {
    const { all, clock } = circuits({ policy: { ...policy, minOutageMs: 500 } });
    failTimes(all, 20);
    clock.nowMs += 499;
    failTimes(all, 20);
    expect(all.stateOf('http://druid:8888').name).toBe('closed');
    clock.nowMs += 1;
    failTimes(all, 1);
    expect(all.stateOf('http://druid:8888').name).toBe('open');
  });

  it('says since when and until when, why, and that nothing was sent', () => {
    const { all, clock } = circuits();
    failTimes(all, 1, 'ETIMEDOUT');
    clock.nowMs = 1_500;
    failTimes(all, 2);
    const { message, details, retryable } = refusal(() => all.enter(request));
    expect(message).toBe(
      'GET http://druid:8888/status was not sent: http://druid:8888 has left 3 requests in a row unanswered since ' +
        '1970-01-01T00:00:01.000Z, the last one by ECONNREFUSED. It is left alone until 1970-01-01T00:00:01.600Z: ' +
        "call again then, and look whether Druid's Router is running there.",
    );
    expect(details).toMatchObject({
      reason: 'CIRCUIT_OPEN',
      mayHaveArrived: false,
      circuit: { failures: 3, sinceMs: 1_000, untilMs: 1_600, reason: 'ECONNREFUSED' },
    });
    expect(retryable).toBe(true);
  });

  it('lets one request try when its time is up, and closes by its answer (invariant 2)', () => {
    const { all, clock, changes } = circuits();
    failTimes(all, 3);
    clock.nowMs += 99;
    refusal(() => all.enter(request));
    clock.nowMs += 1;
    const trial = all.enter(request);
    expect(refusal(() => all.enter(request)).message).toContain('One request is trying it just now');
    trial.answered();
    all.enter(request);
    expect(changes).toEqual(['open', 'half-open', 'closed'].map((name) => `http://druid:8888 ${name}`));
  });

  it('opens again when the trial fails, since the same time', () => {
    const { all, clock } = circuits();
    failTimes(all, 3);
    clock.nowMs += 100;
    all.enter(request).unanswered('ECONNRESET');
    expect(refusal(() => all.enter(request)).details.circuit).toEqual({
      failures: 4,
      sinceMs: 1_000,
      untilMs: 1_200,
      reason: 'ECONNRESET',
    });
  });

  it('leaves the trial to the next request when the caller gives it up (invariant 3)', () => {
    const { all, clock } = circuits();
    failTimes(all, 3);
    clock.nowMs += 100;
    all.enter(request).givenUp();
    all.enter(request).answered();
    expect(all.stateOf('http://druid:8888').name).toBe('closed');
  });

  it('lets another one try when the trial takes longer than that (invariant 2)', () => {
    const { all, clock } = circuits();
    failTimes(all, 3);
    clock.nowMs += 100;
    all.enter(request); // a query of minutes, say
    clock.nowMs += 99;
    expect(refusal(() => all.enter(request)).details.circuit?.untilMs).toBe(1_200);
    clock.nowMs += 1;
    all.enter(request).answered();
    expect(all.stateOf('http://druid:8888').name).toBe('closed');
  });

  it('heeds a late answer, but no late failure', () => {
    const { all, clock } = circuits();
    const late = [all.enter(request), all.enter(request)] as const;
    failTimes(all, 3);
    clock.nowMs += 50;
    late[0].unanswered('ECONNRESET');
    expect(all.stateOf('http://druid:8888')).toMatchObject({ name: 'open', untilMs: 1_100 });
    late[1].answered();
    expect(all.stateOf('http://druid:8888').name).toBe('closed');
  });

  it('lets through what ignores it, and heeds the answer', () => {
    const { all } = circuits();
    failTimes(all, 3);
    all.enter({ ...request, ignoresCircuit: true }).unanswered('ECONNREFUSED');
    expect(all.stateOf('http://druid:8888').name).toBe('open');
    all.enter({ ...request, ignoresCircuit: true }).answered();
    expect(all.stateOf('http://druid:8888').name).toBe('closed');
  });

  it('is one for each server', () => {
    const { all } = circuits();
    failTimes(all, 3);
    all.enter({ ...request, url: 'http://druid:8889/status' });
    refusal(() => all.enter({ ...request, url: 'http://druid:8888/other' }));
  });

  it('never opens without a policy', () => {
    const { all } = circuits({ policy: undefined });
    failTimes(all, 50);
    all.enter(request);
  });
});

/** The same rules over the whole history, the slow way. */
function naive(
  limits: typeof policy,
  history: readonly { readonly event: CircuitEvent; readonly nowMs: number }[],
): CircuitState['name'] {
  let failures = 0;
  let sinceMs = 0;
  let openUntil: number | undefined;
  let isTrialOut = false;
  for (const { event, nowMs } of history) {
    if (event.name === 'answered') [failures, openUntil, isTrialOut] = [0, undefined, false];
    if (event.name === 'request' && openUntil !== undefined && nowMs >= openUntil) {
      [isTrialOut, openUntil] = [true, nowMs + limits.openMs];
    }
    if (event.name === 'given-up' && event.isTrial && isTrialOut) [isTrialOut, openUntil] = [false, nowMs];
    if (event.name === 'unanswered' && openUntil === undefined) {
      if (failures === 0) sinceMs = nowMs;
      failures += 1;
      const isEnough = failures >= limits.maxFailures && nowMs - sinceMs >= limits.minOutageMs;
      if (isEnough) openUntil = nowMs + limits.openMs;
    } else if (event.name === 'unanswered' && isTrialOut && event.isTrial) {
      isTrialOut = false;
      openUntil = nowMs + limits.openMs;
    }
  }
  if (openUntil === undefined) return 'closed';
  return isTrialOut ? 'half-open' : 'open';
}

describe('the table', () => {
  const event: fc.Arbitrary<CircuitEvent> = fc.oneof(
    fc.constant({ name: 'request' } as const),
    fc.constant({ name: 'answered' } as const),
    fc.record({ name: fc.constant('unanswered' as const), reason: fc.constant('x'), isTrial: fc.boolean() }),
    fc.record({ name: fc.constant('given-up' as const), isTrial: fc.boolean() }),
  );

  it('agrees with the rules told over the whole history', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(event, fc.nat(60)), { maxLength: 40 }),
        fc.nat(150),
        (steps, minOutageMs) => {
          const limits = { ...policy, minOutageMs };
          let nowMs = 0;
          let state: CircuitState = { name: 'closed' };
          const history: { event: CircuitEvent; nowMs: number }[] = [];
          for (const [next, passedMs] of steps) {
            nowMs += passedMs;
            history.push({ event: next, nowMs });
            state = nextCircuitState(state, next, { nowMs, policy: limits });
            expect(state.name).toBe(naive(limits, history));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('lets one request go each openMs while it is not closed, whatever happens to the requests (invariant 2)', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom('answered', 'unanswered', 'givenUp', 'send'), fc.nat(9), fc.nat(60)),
        ),
        (steps) => {
          const { all, clock } = circuits();
          const underWay: CircuitPass[] = [];
          let lastTrialMs = -Infinity;
          for (const [step, which, passedMs] of steps) {
            clock.nowMs += passedMs;
            const before = all.stateOf('http://druid:8888').name;
            if (step !== 'send') {
              underWay.splice(which % Math.max(1, underWay.length), 1)[0]?.[step]('reset');
              if (step === 'givenUp') lastTrialMs = -Infinity;
            } else if (before === 'closed') {
              underWay.push(all.enter(request));
              lastTrialMs = -Infinity;
            } else {
              try {
                underWay.push(all.enter(request));
              } catch {
                continue;
              }
              expect(clock.nowMs - lastTrialMs).toBeGreaterThanOrEqual(policy.openMs);
              lastTrialMs = clock.nowMs;
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
