/** A checkpoint coordinator of three tasks, and its events in short. */
import { decide, initialCoordinator } from '../../src/checkpoint/checkpoint-coordinator.js';
import type {
  CheckpointRequest,
  CoordinatorConfig,
  CoordinatorEvent,
  CoordinatorState,
} from '../../src/checkpoint/coordinator-state.js';

export const TASKS = ['a', 'b', 'c'];

export function initial(options: Partial<CoordinatorConfig> & { uncommitted?: readonly number[] } = {}) {
  const { uncommitted = [], ...config } = options;
  return initialCoordinator({
    config: { tasks: TASKS, maxPendingCommits: 2, hasMinPause: false, tolerableFailures: 0, ...config },
    nextCheckpointId: 5,
    uncommitted,
  });
}

/** Feeds events one after the other; returns all effects, as text. */
export function play(
  state: CoordinatorState,
  events: readonly CoordinatorEvent[],
): { state: CoordinatorState; effects: string[] } {
  const effects: string[] = [];
  for (const event of events) {
    const decision = decide(state, event);
    state = decision.state;
    for (const { type, ...rest } of decision.effects) {
      const values = Object.entries(rest).filter(([, value]) => value !== false);
      effects.push([type, ...values.map(([name, value]) => (value === true ? name : value))].join(' '));
    }
  }
  return { state, effects };
}

export type AboutCheckpoint = Exclude<
  Extract<CoordinatorEvent, { checkpointId: number }>,
  { task: string }
>['type'];

export const acknowledge = (checkpointId: number): CoordinatorEvent[] =>
  TASKS.map((task) => ({ type: 'acknowledged', task, checkpointId }));
export const of = (type: AboutCheckpoint, checkpointId: number): CoordinatorEvent => ({ type, checkpointId });
export const elapsed: CoordinatorEvent = { type: 'interval-elapsed' };
export const written = (checkpointId: number) => of('written', checkpointId);
export const committed = (checkpointId: number) => of('committed', checkpointId);
export const ended: CoordinatorEvent[] = TASKS.map((task) => ({ type: 'task-ended', task }));
export const request = (
  id: number,
  then: CheckpointRequest['then'] = 'go-on',
  saves = true,
): CoordinatorEvent => ({
  type: 'requested',
  request: { id, saves, then },
});
