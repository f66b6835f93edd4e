import { describe, expect, it } from 'vitest';
import {
  acknowledge,
  committed,
  elapsed,
  ended,
  initial,
  of,
  play,
  request,
  written,
} from '../support/coordinator.js';
import type { CoordinatorEvent } from '../../src/checkpoint/coordinator-state.js';

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

  it('coordinator invariant 5: one that was asked for does not count, unless the storage does not answer', () => {
    const aborted = play(initial().state, [request(1), of('timeout', 5), request(2), of('declined', 6)]);
    expect(aborted.effects.filter((effect) => effect.startsWith('fail-job'))).toEqual([]);
    const unanswered = play(initial().state, [request(1), ...acknowledge(5), of('timeout', 5)]);
    expect(unanswered.effects).toEqual(['trigger 5', 'write 5', 'fail-job 5 timeout', 'reject 1 job-over']);
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
