import { DruidConnectionError } from '../errors.js';
import { nextCircuitState, type CircuitEvent, type CircuitPolicy, type CircuitState } from './circuit.js';

/** The fate of one request that a circuit let through: call one of these, once. */
export interface CircuitPass {
  answered(): void;
  unanswered(reason: string): void;
  /** Ended by its caller: says nothing about the server. */
  givenUp(): void;
}

/** A request as {@link Circuits.enter} needs it. */
export interface CircuitRequest {
  readonly method: string;
  readonly url: string;
  readonly requestId: string;
  /** Goes in any case; its fate counts all the same. */
  readonly ignoresCircuit?: boolean | undefined;
}

const closed: CircuitState = { name: 'closed' };

/** The circuits of all servers, by origin. */
export class Circuits {
  readonly #states = new Map<string, CircuitState>();
  readonly #policy: CircuitPolicy | undefined;
  readonly #now: () => number;
  readonly #onChange: (origin: string, state: CircuitState) => void;

  /** Without a policy no circuit ever opens. `onChange` is called when the name of a state has changed. */
  constructor(
    policy: CircuitPolicy | undefined,
    now: () => number,
    onChange: (origin: string, state: CircuitState) => void,
  ) {
    this.#policy = policy;
    this.#now = now;
    this.#onChange = onChange;
  }

  /** The state of a server's circuit. */
  stateOf(origin: string): CircuitState {
    return this.#states.get(origin) ?? closed;
  }

  /** Asks for leave to send. @throws DruidConnectionError with `details.circuit` */
  enter(request: CircuitRequest): CircuitPass {
    const { origin } = new URL(request.url);
    const before = this.stateOf(origin);
    const isTrial = request.ignoresCircuit !== true && this.#apply(origin, { name: 'request' }) !== before;
    if (before.name !== 'closed' && !isTrial && request.ignoresCircuit !== true) {
      throw circuitError(request, origin, before);
    }
    return {
      answered: () => void this.#apply(origin, { name: 'answered' }),
      unanswered: (reason) => void this.#apply(origin, { name: 'unanswered', reason, isTrial }),
      givenUp: () => void this.#apply(origin, { name: 'given-up', isTrial }),
    };
  }

  #apply(origin: string, event: CircuitEvent): CircuitState {
    const before = this.stateOf(origin);
    if (this.#policy === undefined) return before;
    const state = nextCircuitState(before, event, { nowMs: this.#now(), policy: this.#policy });
    // Closed without trouble is what servers are that are not here: the map holds those in trouble only.
    if (state.name === 'closed' && state.trouble === undefined) this.#states.delete(origin);
    else this.#states.set(origin, state);
    if (state.name !== before.name) this.#onChange(origin, state);
    return state;
  }
}

function circuitError(
  { method, url, requestId }: CircuitRequest,
  origin: string,
  state: Exclude<CircuitState, { name: 'closed' }>,
): DruidConnectionError {
  const { failures, sinceMs, reason } = state.trouble;
  const since = new Date(sinceMs).toISOString();
  const next =
    state.name === 'half-open'
      ? 'One request is trying it just now: wait for that'
      : `It is left alone until ${new Date(state.untilMs).toISOString()}: call again then`;
  return new DruidConnectionError({
    message:
      `${method} ${url} was not sent: ${origin} has left ${failures} requests in a row unanswered since ${since}, ` +
      `the last one by ${reason}. ${next}, and look whether Druid's Router is running there.`,
    details: {
      method,
      url,
      requestId,
      reason: 'CIRCUIT_OPEN',
      mayHaveArrived: false,
      circuit: { ...state.trouble, untilMs: state.untilMs },
    },
    retryable: true,
  });
}
