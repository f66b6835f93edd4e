import { describe, expect, it } from 'vitest';
import { decide, initialCoordinator } from '../../src/checkpoint/checkpoint-coordinator.js';
import type {
  CheckpointRequest,
  CoordinatorConfig,
  CoordinatorEvent,
  CoordinatorState,
} from '../../src/checkpoint/coordinator-state.js';

const TASKS = ['a', 'b', 'c'];

function initial(options: Partial<CoordinatorConfig> & { uncommitted?: readonly number[] } = {}) {
  const { uncommitted = [], ...config } = options;
  return initialCoordinator({
    config: { tasks: TASKS, maxPendingCommits: 2, hasMinPause: false, tolerableFailures: 0, ...config },
    nextCheckpointId: 5,
    uncommitted,
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
    for (const { type, ...rest } of decision.effects) {
      const values = Object.entries(rest).filter(([, value]) => value !== false);
      effects.push([type, ...values.map(([name, value]) => (value === true ? name : value))].join(' '));
    }
  }
  return { state, effects };
}

type AboutCheckpoint = Exclude<Extract<CoordinatorEvent, { checkpointId: number }>, { task: string }>['type'];

const acknowledge = (checkpointId: number): CoordinatorEvent[] =>
  TASKS.map((task) => ({ type: 'acknowledged', task, checkpointId }));
const of = (type: AboutCheckpoint, checkpointId: number): CoordinatorEvent => ({ type, checkpointId });
const elapsed: CoordinatorEvent = { type: 'interval-elapsed' };
const written = (checkpointId: number) => of('written', checkpointId);
const committed = (checkpointId: number) => of('committed', checkpointId);
const ended: CoordinatorEvent[] = TASKS.map((task) => ({ type: 'task-ended', task }));
const request = (id: number, then: CheckpointRequest['then'] = 'go-on', saves = true): CoordinatorEvent => ({
  type: 'requested',
  request: { id, saves, then },
});

describe('checkpoint coordinator', () => {
  it('takes a checkpoint from trigger to commit', () => {
    const { effects } = play(initial().state, [
      elapsed,
      ...acknowledge(5),
      written(5),
      committed(5),
      elapsed,
    ]);
    expect(effects).toEqual(['trigger 5', 'write 5', 'notify-complete 5', 'commit 5', 'trigger 6']);
  });

  it('coordinator invariant 1: one checkpoint at a time; one that falls due meanwhile follows at once', () => {
    expect(play(initial().state, [elapsed, elapsed, elapsed]).effects).toEqual(['trigger 5']);
    const writing = play(initial().state, [elapsed, ...acknowledge(5), elapsed, elapsed]);
    expect(writing.effects).toEqual(['trigger 5', 'write 5']);
    const next = play(writing.state, [written(5), ...acknowledge(6), written(6)]);
    expect(next.effects).toEqual([
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'write 6',
      'notify-complete 6',
    ]);
  });

  it('takes no checkpoint by itself before the minimum pause is over', () => {
    const { state, effects } = play(initial({ hasMinPause: true }).state, [
      elapsed,
      ...acknowledge(5),
      elapsed,
      written(5),
      elapsed,
    ]);
    expect(effects).toEqual(['trigger 5', 'write 5', 'notify-complete 5', 'commit 5', 'start-pause']);
    expect(play(state, [{ type: 'pause-elapsed' }]).effects).toEqual(['trigger 6']);
    expect(play(state, [request(1)]).effects).toEqual(['trigger 6']);
    expect(play(state, ended).effects).toEqual(['trigger 6']);
  });

  it('coordinator invariant 2: writes when every task has acknowledged, commits when it is durable', () => {
    const { state, effects } = play(initial().state, [elapsed, ...acknowledge(5).slice(0, 2)]);
    expect(effects).toEqual(['trigger 5']);
    expect(play(state, acknowledge(5).slice(0, 2)).effects).toEqual([]);
    expect(play(state, acknowledge(4)).effects).toEqual([]);
    expect(play(state, acknowledge(5).slice(2)).effects).toEqual(['write 5']);
  });

  it('coordinator invariant 3: commits in order, and waits with further checkpoints for slow commits', () => {
    const first = play(initial().state, [
      elapsed,
      ...acknowledge(5),
      written(5),
      elapsed,
      ...acknowledge(6),
      written(6),
      elapsed,
    ]);
    expect(first.effects).toEqual([
      'trigger 5',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'write 6',
      'notify-complete 6',
    ]);
    expect(play(first.state, [committed(5)]).effects).toEqual(['commit 6', 'trigger 7']);
  });

  it('coordinator invariant 3: the final checkpoint does not wait for slow commits', () => {
    const { effects } = play(initial({ maxPendingCommits: 1 }).state, [
      elapsed,
      ...acknowledge(5),
      written(5),
      elapsed,
      ...ended,
    ]);
    expect(effects).toEqual(['trigger 5', 'write 5', 'notify-complete 5', 'commit 5', 'trigger 6']);
  });

  it('coordinator invariant 4: takes the final checkpoint after the one that is under way', () => {
    const { effects } = play(initial().state, [
      elapsed,
      ...ended,
      elapsed,
      ...acknowledge(5),
      written(5),
      ...acknowledge(6),
      written(6),
      committed(5),
      committed(6),
    ]);
    expect(effects).toEqual([
      'trigger 5',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'write 6',
      'notify-complete 6',
      'commit 6',
      'finish-job',
    ]);
  });

  it('commits first what the restored checkpoint has left', () => {
    const { state, effects } = initial({ uncommitted: [4] });
    expect(effects).toEqual([{ type: 'commit', checkpointId: 4 }]);
    expect(play(state, [elapsed, ...acknowledge(5), written(5), committed(4)]).effects).toEqual([
      'trigger 5',
      'write 5',
      'notify-complete 5',
      'commit 5',
    ]);
  });

  it('finishes once, and takes tasks that it does not know for nothing', () => {
    const strangers: CoordinatorEvent[] = ['x', 'y', 'z'].map((task) => ({ type: 'task-ended', task }));
    expect(play(initial().state, strangers).effects).toEqual([]);
    const done = play(initial().state, [...ended, ...acknowledge(5), written(5), committed(5)]);
    expect(done.effects.at(-1)).toBe('finish-job');
    const late = [...ended, elapsed, committed(5), written(5), ...acknowledge(5), ...acknowledge(6)];
    expect(play(done.state, late).effects).toEqual([]);
  });
});

describe('a checkpoint that fails', () => {
  it.each(['timeout', 'declined'] as const)(
    'coordinator invariant 5: %s aborts it, and the job goes on',
    (reason) => {
      const { state, effects } = play(initial({ tolerableFailures: 1 }).state, [
        elapsed,
        ...acknowledge(5).slice(0, 1),
        of(reason, 5),
        ...acknowledge(5),
        written(5),
      ]);
      expect(effects).toEqual(['trigger 5', `abort 5 ${reason}`]);
      expect(play(state, [elapsed, ...acknowledge(6)]).effects).toEqual(['trigger 6', 'write 6']);
    },
  );

  it('coordinator invariant 5: more failures in a row than are tolerable fail the job', () => {
    const failing = [elapsed, of('timeout', 5), elapsed, ...acknowledge(6), of('write-failed', 6)];
    expect(
      play(initial({ tolerableFailures: 2 }).state, [...failing, elapsed, of('declined', 7)]).effects,
    ).toEqual([
      'trigger 5',
      'abort 5 timeout',
      'trigger 6',
      'write 6',
      'abort 6 write-failed',
      'trigger 7',
      'abort 7 declined',
      'fail-job 7 declined',
    ]);
    const between = [elapsed, ...acknowledge(7), written(7), elapsed, of('declined', 8)];
    expect(play(initial({ tolerableFailures: 2 }).state, [...failing, ...between]).effects.at(-1)).toBe(
      'abort 8 declined',
    );
  });

  it('coordinator invariant 5: a write that takes too long counts, and is true when it succeeds after all', () => {
    const slow = play(initial({ tolerableFailures: 2 }).state, [
      elapsed,
      ...acknowledge(5),
      of('timeout', 5),
      elapsed,
      of('timeout', 5),
    ]);
    expect(slow.effects).toEqual(['trigger 5', 'write 5', 'extend-timeout 5', 'extend-timeout 5']);
    expect(play(slow.state, [of('timeout', 5)]).effects).toEqual(['fail-job 5 timeout']);
    const after = play(slow.state, [written(5)]);
    expect(after.effects).toEqual(['notify-complete 5', 'commit 5', 'trigger 6']);
    expect(after.state.failures).toBe(0);
  });

  it('coordinator invariant 5: a final checkpoint that fails is taken again, within what is tolerable', () => {
    const failed = play(initial({ tolerableFailures: 1, hasMinPause: true }).state, [
      ...ended,
      of('timeout', 5),
    ]);
    expect(failed.effects).toEqual(['trigger 5', 'abort 5 timeout', 'start-pause']);
    const again = play(failed.state, [{ type: 'pause-elapsed' }]);
    expect(again.effects).toEqual(['trigger 6']);
    expect(play(again.state, [of('timeout', 6)]).effects).toEqual(['abort 6 timeout', 'fail-job 6 timeout']);
    const { effects } = play(again.state, [...acknowledge(6), written(6), committed(6)]);
    expect(effects).toEqual(['write 6', 'notify-complete 6', 'commit 6', 'start-pause', 'finish-job']);
  });

  it('becomes unaligned once, where it takes long to align; a savepoint does not', () => {
    const { effects } = play(initial().state, [elapsed, of('aligned-timeout', 5), of('aligned-timeout', 5)]);
    expect(effects).toEqual(['trigger 5', 'overtake 5']);
    expect(play(initial().state, [request(1), of('aligned-timeout', 5)]).effects).toEqual(['trigger 5']);
    const stop = play(initial().state, [request(1, 'suspend', false), of('aligned-timeout', 5)]);
    expect(stop.effects).toEqual(['trigger 5 suspends', 'overtake 5']);
  });
});

describe('what is asked for', () => {
  it('coordinator invariant 6: a savepoint is written when its checkpoint is committed', () => {
    const { effects } = play(initial({ uncommitted: [4] }).state, [
      request(1),
      ...acknowledge(5),
      written(5),
      elapsed,
      committed(4),
      committed(5),
      of('saved', 5),
    ]);
    expect(effects).toEqual([
      'trigger 5',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'save 5 1',
      'fulfil 1 5',
      'trigger 6',
    ]);
  });

  it('coordinator invariant 6: requests wait for the checkpoint that is under way, and for each other', () => {
    const { effects } = play(initial().state, [
      elapsed,
      request(1),
      request(2),
      ...acknowledge(5),
      written(5),
      committed(5),
      of('timeout', 6),
      ...acknowledge(7),
      written(7),
      committed(7),
      of('save-failed', 7),
    ]);
    expect(effects).toEqual([
      'trigger 5',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'abort 6 timeout',
      'reject 1 timeout',
      'trigger 7',
      'write 7',
      'notify-complete 7',
      'commit 7',
      'save 7 2',
      'reject 2 save-failed',
    ]);
  });

  it('coordinator invariant 6: is refused when the job ends early, and afterwards', () => {
    const over = play(initial().state, [request(1), request(2), { type: 'ended-early' }, request(3)]);
    expect(over.effects).toEqual([
      'trigger 5',
      'reject 1 job-over',
      'reject 2 job-over',
      'reject 3 job-over',
    ]);
  });

  it('coordinator invariant 7: a job suspends with a savepoint, and is done when that is written', () => {
    const { effects } = play(initial().state, [
      request(1, 'suspend'),
      ...acknowledge(5),
      written(5),
      elapsed,
      committed(5),
      of('saved', 5),
    ]);
    expect(effects).toEqual([
      'trigger 5 suspends',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'save 5 1',
      'fulfil 1 5',
      'finish-job',
    ]);
  });

  it('coordinator invariant 7: suspends with a checkpoint alone', () => {
    const { effects } = play(initial().state, [
      request(1, 'suspend', false),
      ...acknowledge(5),
      written(5),
      elapsed,
      committed(5),
    ]);
    expect(effects).toEqual([
      'trigger 5 suspends',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'fulfil 1 5',
      'finish-job',
    ]);
  });

  it('coordinator invariant 7: goes on where its last checkpoint, or its savepoint, fails', () => {
    const failed = play(initial().state, [request(1, 'suspend'), of('declined', 5)]);
    expect(failed.effects).toEqual([
      'trigger 5 suspends',
      'abort 5 declined',
      'reject 1 declined',
      'resume-sources',
    ]);
    expect(play(failed.state, [elapsed]).effects).toEqual(['trigger 6']);
    const unsaved = [
      request(1, 'suspend'),
      ...acknowledge(5),
      written(5),
      committed(5),
      of('save-failed', 5),
    ];
    expect(play(initial().state, [...unsaved, elapsed]).effects.slice(-3)).toEqual([
      'reject 1 save-failed',
      'resume-sources',
      'trigger 6',
    ]);
  });

  it('coordinator invariant 7: stays suspended when another request fails meanwhile', () => {
    const suspended = [request(1, 'suspend', false), ...acknowledge(5), written(5)];
    const { effects } = play(initial().state, [
      ...suspended,
      request(2, 'suspend'),
      of('timeout', 6),
      committed(5),
    ]);
    expect(effects.slice(-4)).toEqual([
      'trigger 6 suspends',
      'abort 6 timeout',
      'reject 2 timeout',
      'finish-job',
    ]);
  });

  it('coordinator invariant 7: is done also where tasks had come to their end and others had not', () => {
    const suspended = [request(1, 'suspend', false), ...acknowledge(5), written(5)];
    const { effects } = play(initial().state, [...suspended, ended[0]!, committed(5)]);
    expect(effects.slice(-2)).toEqual(['fulfil 1 5', 'finish-job']);
  });

  it('drains also where it is being suspended', () => {
    const { effects } = play(initial().state, [
      request(1, 'suspend', false),
      request(2, 'drain', false),
      ...acknowledge(5),
      written(5),
      committed(5),
      ...ended,
      of('timeout', 6),
    ]);
    expect(effects.slice(-4)).toEqual(['trigger 6', 'abort 6 timeout', 'reject 2 timeout', 'trigger 7']);
  });

  it('suspends nothing while it drains', () => {
    const draining = [request(1, 'drain', false), request(2, 'suspend', false)];
    expect(play(initial().state, [...draining, of('timeout', 5)]).effects).toEqual([
      'drain-sources',
      'trigger 5',
      'abort 5 timeout',
      'reject 2 timeout',
    ]);
  });

  it('drains also where it was suspended before', () => {
    const suspended = [request(1, 'suspend', false), ...acknowledge(5), written(5)];
    const { effects } = play(initial().state, [
      ...suspended,
      request(2, 'drain', false),
      committed(5),
      ...ended,
      of('timeout', 6),
      ...acknowledge(7),
      written(7),
      committed(7),
    ]);
    expect(effects.slice(-7)).toEqual([
      'abort 6 timeout',
      'reject 2 timeout',
      'trigger 7',
      'write 7',
      'notify-complete 7',
      'commit 7',
      'finish-job',
    ]);
  });

  it('drains: the sources end, and the final checkpoint is the one that was asked for', () => {
    const { effects } = play(initial().state, [
      elapsed,
      request(1, 'drain'),
      ...acknowledge(5),
      written(5),
      committed(5),
      ...ended,
      ...acknowledge(6),
      written(6),
      committed(6),
      of('saved', 6),
    ]);
    expect(effects).toEqual([
      'trigger 5',
      'drain-sources',
      'write 5',
      'notify-complete 5',
      'commit 5',
      'trigger 6',
      'write 6',
      'notify-complete 6',
      'commit 6',
      'save 6 1',
      'fulfil 1 6',
      'finish-job',
    ]);
  });

  it('drains to the end also where the savepoint cannot be written', () => {
    const draining = [request(1, 'drain'), ...ended, ...acknowledge(5), written(5), committed(5)];
    expect(play(initial().state, [...draining, of('save-failed', 5)]).effects.slice(-3)).toEqual([
      'save 5 1',
      'reject 1 save-failed',
      'finish-job',
    ]);
  });

  it('is answered by one more checkpoint where the final one has been triggered already', () => {
    const { effects } = play(initial().state, [
      ...ended,
      request(1),
      ...acknowledge(5),
      written(5),
      ...acknowledge(6),
      written(6),
      committed(5),
      committed(6),
      of('saved', 6),
    ]);
    expect(effects.slice(-4)).toEqual(['commit 6', 'save 6 1', 'fulfil 1 6', 'finish-job']);
  });
});
