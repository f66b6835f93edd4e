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
