import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decide,
  initialCoordinator,
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorState,
} from '../../src/checkpoint/checkpoint-coordinator.js';

const TASKS = ['a', 'b', 'c'];

function initial(options: { maxPendingCommits?: number; uncommitted?: readonly number[] } = {}) {
  return initialCoordinator({
    tasks: TASKS,
    maxPendingCommits: options.maxPendingCommits ?? 2,
    nextCheckpointId: 5,
    uncommitted: options.uncommitted ?? [],
  });
}

/** Feeds events one after the other; returns all effects, as text. */
function play(
  state: CoordinatorState,
  events: readonly CoordinatorEvent[],
): { state: CoordinatorState; effects: string[] } {
  const effects: string[] = [];
  for (const event of events) {
    const decision = decide(state, event);
    state = decision.state;
    effects.push(
      ...decision.effects.map((effect) =>
        'checkpointId' in effect ? `${effect.type} ${effect.checkpointId}` : effect.type,
      ),
    );
  }
  return { state, effects };
}

const acknowledge = (checkpointId: number): CoordinatorEvent[] =>
  TASKS.map((task) => ({ type: 'acknowledged', task, checkpointId }));
const elapsed: CoordinatorEvent = { type: 'interval-elapsed' };
const persisted = (checkpointId: number): CoordinatorEvent => ({ type: 'persisted', checkpointId });
const committed = (checkpointId: number): CoordinatorEvent => ({ type: 'committed', checkpointId });
const ended: CoordinatorEvent[] = TASKS.map((task) => ({ type: 'task-ended', task }));

describe('checkpoint coordinator', () => {
  it('takes a checkpoint from trigger to commit', () => {
    const { effects } = play(initial().state, [
      elapsed,
      ...acknowledge(5),
      persisted(5),
      committed(5),
      elapsed,
    ]);
    expect(effects).toEqual(['trigger 5', 'persist 5', 'notify-complete 5', 'commit 5', 'trigger 6']);
  });

  it('coordinator invariant 1: one checkpoint at a time', () => {
    expect(play(initial().state, [elapsed, elapsed, elapsed]).effects).toEqual(['trigger 5']);
    expect(play(initial().state, [elapsed, ...acknowledge(5), elapsed]).effects).toEqual([
      'trigger 5',
      'persist 5',
    ]);
  });

  it('coordinator invariant 2: persists when every task has acknowledged, commits when it is durable', () => {
    const { state, effects } = play(initial().state, [elapsed, ...acknowledge(5).slice(0, 2)]);
    expect(effects).toEqual(['trigger 5']);
    expect(play(state, acknowledge(5).slice(0, 2)).effects).toEqual([]);
    expect(play(state, acknowledge(5).slice(2)).effects).toEqual(['persist 5']);
  });

  it('coordinator invariant 3: commits in order, and waits with further checkpoints for slow commits', () => {
    const first = play(initial().state, [
      elapsed,
      ...acknowledge(5),
      persisted(5),
      elapsed,
      ...acknowledge(6),
      persisted(6),
      elapsed,
    ]);
    expect(first.effects).toEqual([
      'trigger 5',
      'persist 5',
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'persist 6',
      'notify-complete 6',
    ]);
    expect(play(first.state, [committed(5), elapsed]).effects).toEqual(['commit 6', 'trigger 7']);
  });

  it('coordinator invariant 3: the final checkpoint does not wait for slow commits', () => {
    const { effects } = play(initial({ maxPendingCommits: 1 }).state, [
      elapsed,
      ...acknowledge(5),
      persisted(5),
      elapsed,
      ...ended,
    ]);
    expect(effects).toEqual(['trigger 5', 'persist 5', 'notify-complete 5', 'commit 5', 'trigger 6']);
  });

  it('coordinator invariant 4: takes the final checkpoint after the one that is under way', () => {
    const { effects } = play(initial().state, [
      elapsed,
      ...ended,
      elapsed,
      ...acknowledge(5),
      persisted(5),
      ...acknowledge(6),
      persisted(6),
      committed(5),
      committed(6),
    ]);
    expect(effects).toEqual([
      'trigger 5',
      'persist 5',
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'persist 6',
      'notify-complete 6',
      'commit 6',
      'finish-job',
    ]);
  });

  it('commits first what the restored checkpoint has left', () => {
    const { state, effects } = initial({ uncommitted: [4] });
    expect(effects).toEqual([{ type: 'commit', checkpointId: 4 }]);
    expect(play(state, [elapsed, ...acknowledge(5), persisted(5), committed(4)]).effects).toEqual([
      'trigger 5',
      'persist 5',
      'notify-complete 5',
      'commit 5',
    ]);
  });

  it('does nothing about events that are out of place', () => {
    const strange: CoordinatorEvent[] = [
      persisted(5),
      committed(5),
      ...acknowledge(5),
      { type: 'task-ended', task: 'nobody' },
      { type: 'acknowledged', task: 'nobody', checkpointId: 5 },
    ];
    const { state } = initial();
    for (const event of strange) expect(decide(state, event)).toEqual({ state, effects: [] });
  });

  it('finishes once, and takes tasks it does not know for nothing', () => {
    const strangers: CoordinatorEvent[] = ['x', 'y', 'z'].map((task) => ({ type: 'task-ended', task }));
    expect(play(initial().state, strangers).effects).toEqual([]);
    const done = play(initial().state, [...ended, ...acknowledge(5), persisted(5), committed(5)]);
    expect(done.effects.at(-1)).toBe('finish-job');
    expect(
      play(done.state, [...ended, elapsed, committed(5), persisted(5), ...acknowledge(5), ...acknowledge(6)])
        .effects,
    ).toEqual([]);
  });

  it('coordinator invariants 1 to 4 hold for any sequence of events, and it never gets stuck', () => {
    const event: fc.Arbitrary<CoordinatorEvent> = fc.oneof(
      fc.constant(elapsed),
      fc.record({ type: fc.constant('task-ended' as const), task: fc.constantFrom(...TASKS, 'nobody') }),
      fc.record({
        type: fc.constant('acknowledged' as const),
        task: fc.constantFrom(...TASKS, 'nobody'),
        checkpointId: fc.integer({ min: 3, max: 12 }),
      }),
      fc.record({
        type: fc.constantFrom('persisted' as const, 'committed' as const),
        checkpointId: fc.integer({ min: 3, max: 12 }),
      }),
      // What a job really answers, so that sequences get far.
      fc.constant({ type: 'interval-elapsed' as const }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(event, fc.boolean()), { maxLength: 120 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom<readonly number[]>([], [4]),
        (events, maxPendingCommits, uncommitted) => {
          const first = initial({ maxPendingCommits, uncommitted });
          let state = first.state;
          const log: CoordinatorEffect[] = [];
          const acknowledged = new Map<number, Set<string>>();
          const durable = new Set<number>(uncommitted);
          const done = new Set<number>();
          const endedTasks = new Set<string>();
          let underWay: number | undefined;
          let isFinished = false;
          const check = (effects: readonly CoordinatorEffect[]) => {
            for (const effect of effects) {
              expect(isFinished).toBe(false);
              log.push(effect);
              switch (effect.type) {
                case 'trigger':
                  expect(underWay).toBeUndefined(); // invariant 1
                  underWay = effect.checkpointId;
                  acknowledged.set(underWay, new Set());
                  // invariant 3; `final` is after all have ended
                  if (endedTasks.size < TASKS.length)
                    expect(durable.size - done.size).toBeLessThan(maxPendingCommits);
                  break;
                case 'persist':
                  expect(acknowledged.get(effect.checkpointId)?.size).toBe(TASKS.length); // invariant 2
                  break;
                case 'commit': {
                  expect(durable.has(effect.checkpointId)).toBe(true); // invariant 2
                  const commits = log
                    .filter(({ type }) => type === 'commit')
                    .map((one) => ('checkpointId' in one ? one.checkpointId : 0));
                  expect(commits).toEqual([...new Set(commits)].sort((a, b) => a - b)); // invariant 3
                  break;
                }
                case 'finish-job':
                  isFinished = true;
                  expect(endedTasks.size).toBe(TASKS.length); // invariant 4
                  expect([...durable].every((id) => done.has(id))).toBe(true);
                  break;
                case 'notify-complete':
                  expect(durable.has(effect.checkpointId)).toBe(true);
                  break;
              }
            }
          };
          check(first.effects);
          /** Whether the job would send this event at all; others must change nothing. */
          const isInPlace = (one: CoordinatorEvent): boolean => {
            switch (one.type) {
              case 'interval-elapsed':
                return true;
              case 'task-ended':
                return TASKS.includes(one.task) && !endedTasks.has(one.task);
              case 'acknowledged':
                return (
                  one.checkpointId === underWay &&
                  TASKS.includes(one.task) &&
                  acknowledged.get(underWay)?.size !== TASKS.length
                );
              case 'persisted':
                return one.checkpointId === underWay && acknowledged.get(underWay)?.size === TASKS.length;
              case 'committed':
                return (
                  log.some(
                    (effect) => effect.type === 'commit' && effect.checkpointId === one.checkpointId,
                  ) && !done.has(one.checkpointId)
                );
            }
          };
          const send = (one: CoordinatorEvent) => {
            const inPlace = isInPlace(one);
            if (inPlace) {
              if (one.type === 'task-ended') endedTasks.add(one.task);
              if (one.type === 'acknowledged') acknowledged.get(one.checkpointId)?.add(one.task);
              if (one.type === 'committed') done.add(one.checkpointId);
              if (one.type === 'persisted') {
                durable.add(one.checkpointId);
                underWay = undefined;
              }
            }
            const decision = decide(state, one);
            if (!inPlace) expect(decision.effects).toEqual([]);
            state = decision.state;
            check(decision.effects);
          };
          const answer = () => {
            if (underWay !== undefined && acknowledged.get(underWay)?.size === TASKS.length)
              send(persisted(underWay));
            else if (underWay !== undefined) acknowledge(underWay).forEach(send);
            const waiting = log.find((one) => one.type === 'commit' && !done.has(one.checkpointId));
            if (waiting?.type === 'commit') send(committed(waiting.checkpointId));
          };
          for (const [one, isAnswered] of events) {
            send(one);
            if (isAnswered) answer();
          }
          ended.forEach(send);
          for (let i = 0; i < 20 && !isFinished; i++) answer();
          expect(isFinished).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
