/**
 * Whether a server that does not answer may be asked. A pure state machine; {@link Circuits} keeps one for each server.
 *
 * | state \ event | a request         | answered | not answered                 | given up         |
 * | ------------- | ----------------- | -------- | ---------------------------- | ---------------- |
 * | closed        | goes              | closed   | open, when it is enough      | closed           |
 * | open          | refused; later goes as a trial: half-open | closed | open | open               |
 * | half-open     | refused; later goes as another trial | closed | a trial: open; others: no change | a trial: open, at its end |
 *
 * Any answer counts as one, whatever its status: a server that refuses is alive.
 *
 * Invariant 1: it opens after `maxFailures` requests in a row without an answer over `minOutageMs`, and never before.
 * Invariant 2: while it is not closed one request goes each `openMs`, and nothing else. A trial may be a query of minutes: calls
 * do not wait for its end.
 * Invariant 3: a trial that its caller gives up leaves the circuit to the next request; it is never stuck half-open.
 */

/** When to leave a server alone, and for how long. */
export interface CircuitPolicy {
  /** Requests in a row without an answer. Default 10. */
  readonly maxFailures: number;
  /** Milliseconds since the first of these. Default 10,000: a restart must not fail calls that would outlast it by their retries. */
  readonly minOutageMs: number;
  /** Milliseconds until one request may try again. Default 2,000. */
  readonly openMs: number;
}

/** The default of {@link CircuitPolicy}. */
export const defaultCircuitPolicy: CircuitPolicy = { maxFailures: 10, minOutageMs: 10_000, openMs: 2_000 };

/** What is known of a server that has not answered of late. */
export interface CircuitTrouble {
  readonly failures: number;
  /** Epoch milliseconds of the first of these failures. */
  readonly sinceMs: number;
  /** The last failure's code, such as `ECONNREFUSED`. */
  readonly reason: string;
}

/** The state of a circuit. */
export type CircuitState =
  | { readonly name: 'closed'; readonly trouble?: CircuitTrouble }
  | { readonly name: 'open'; readonly trouble: CircuitTrouble; readonly untilMs: number }
  | { readonly name: 'half-open'; readonly trouble: CircuitTrouble; readonly untilMs: number };

/** What happens to a request. `isTrial`: it was let through while the circuit was not closed. */
export type CircuitEvent =
  | { readonly name: 'request' }
  | { readonly name: 'answered' }
  | { readonly name: 'unanswered'; readonly reason: string; readonly isTrial: boolean }
  | { readonly name: 'given-up'; readonly isTrial: boolean };

interface At {
  readonly nowMs: number;
  readonly policy: CircuitPolicy;
}

type Next<S extends CircuitState['name'], E extends CircuitEvent['name']> = (
  state: Extract<CircuitState, { name: S }>,
  event: Extract<CircuitEvent, { name: E }>,
  at: At,
) => CircuitState;

type Table = {
  readonly [S in CircuitState['name']]: { readonly [E in CircuitEvent['name']]: Next<S, E> };
};

const toClosed = (): CircuitState => ({ name: 'closed' });
const unchanged = (state: CircuitState): CircuitState => state;
const tryAgain = (
  state: Exclude<CircuitState, { name: 'closed' }>,
  _: CircuitEvent,
  { nowMs, policy }: At,
): CircuitState =>
  nowMs < state.untilMs ? state : { ...state, name: 'half-open', untilMs: nowMs + policy.openMs }; // invariant 2

const table: Table = {
  closed: {
    request: unchanged,
    answered: toClosed,
    unanswered: ({ trouble }, { reason }, { nowMs, policy }) => {
      const grown = grow(trouble, reason, nowMs);
      const isEnough = grown.failures >= policy.maxFailures && nowMs - grown.sinceMs >= policy.minOutageMs; // invariant 1
      return isEnough
        ? { name: 'open', trouble: grown, untilMs: nowMs + policy.openMs }
        : { name: 'closed', trouble: grown };
    },
    'given-up': unchanged,
  },
  open: {
    request: tryAgain,
    answered: toClosed,
    // Sent before it opened: the time until the trial does not grow.
    unanswered: unchanged,
    'given-up': unchanged,
  },
  'half-open': {
    request: tryAgain,
    answered: toClosed,
    unanswered: (state, { reason, isTrial }, { nowMs, policy }) =>
      isTrial
        ? { name: 'open', trouble: grow(state.trouble, reason, nowMs), untilMs: nowMs + policy.openMs }
        : state,
    'given-up': (state, { isTrial }, { nowMs }) =>
      isTrial ? { ...state, name: 'open', untilMs: nowMs } : state, // invariant 3
  },
};

/** The state after `event`. Pure. */
export function nextCircuitState(state: CircuitState, event: CircuitEvent, at: At): CircuitState {
  const next = table[state.name][event.name] as Next<CircuitState['name'], CircuitEvent['name']>;
  return next(state, event, at);
}

function grow(trouble: CircuitTrouble | undefined, reason: string, nowMs: number): CircuitTrouble {
  return { failures: (trouble?.failures ?? 0) + 1, sinceMs: trouble?.sinceMs ?? nowMs, reason };
}
