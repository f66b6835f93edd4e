import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { CheckpointCompletedEvent, DiagnosticsEvents } from '../../src/index.js';
import { publish } from '../../src/metrics/diagnostics.js';

const completed: CheckpointCompletedEvent = {
  jobName: 'orders',
  jobId: 'j1',
  at: 5,
  checkpointId: 3,
  durationMs: 12,
  sizeBytes: 100,
};

describe('diagnostics', () => {
  it('reach who has subscribed to the channel, at once', () => {
    const seen: unknown[] = [];
    const listener = (message: unknown, name: string | symbol) => void seen.push([name, message]);
    subscribe('millrace:checkpoint:completed', listener);
    publish('millrace:checkpoint:completed', completed);
    unsubscribe('millrace:checkpoint:completed', listener);
    publish('millrace:checkpoint:completed', completed);
    expect(seen).toEqual([['millrace:checkpoint:completed', completed]]);
  });

  it('have an event type per channel', () => {
    expectTypeOf<
      DiagnosticsEvents['millrace:checkpoint:completed']
    >().toEqualTypeOf<CheckpointCompletedEvent>();
    // @ts-expect-error: another channel's event
    publish('millrace:job:restart', completed);
  });
});
