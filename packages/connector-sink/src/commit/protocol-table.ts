import { DruidSinkInvariantError } from '../errors.js';

interface AnyState {
  readonly phase: string;
}
interface AnyEvent {
  readonly type: string;
}

/** What phase `P` can meet, and the state after each; every other event is impossible there. */
export type Cells<
  State extends AnyState,
  Event extends AnyEvent,
  P extends State['phase'],
  E extends Event['type'],
> = {
  readonly [K in E]: (
    state: Extract<State, { readonly phase: P }>,
    event: Extract<Event, { readonly type: K }>,
  ) => State;
};

/**
 * The state after `event`, by the protocol's table of phases and events.
 * @throws DruidSinkInvariantError where the event cannot happen in this state
 */
export function nextState<State extends AnyState>(
  protocol: string,
  table: Readonly<Record<string, object>>,
  state: State,
  event: AnyEvent,
): State {
  const cells: Readonly<Record<string, unknown>> = { ...table[state.phase] };
  const cell = cells[event.type];
  if (cell === undefined) {
    throw new DruidSinkInvariantError(
      `The ${protocol} protocol got '${event.type}' in phase '${state.phase}'. Please report this.`,
      { details: { phase: state.phase, event: event.type } },
    );
  }
  // The table's type pairs each cell with its phase and event; an indexed access cannot express that.
  return (cell as (state: State, event: AnyEvent) => State)(state, event);
}
