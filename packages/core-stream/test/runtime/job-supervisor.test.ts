import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  JobCancelledError,
  OperatorError,
  RestartStrategies,
  StreamRecordError,
  type JobStatus,
  type RestartStrategy,
} from '../../src/index.js';
import { createDescriber } from '../../src/runtime/describe-value.js';
import type { AttemptSnapshot } from '../../src/runtime/job-result.js';
import { JobSupervisor, type JobAttempt } from '../../src/runtime/job-supervisor.js';
import { failureOf, quiet, until } from '../support/conditions.js';
import { refuseUnhandledRejections, recordingLogger } from '../support/environment.js';
import { ManualClock } from '../support/manual-clock.js';

refuseUnhandledRejections();

const NOTHING: AttemptSnapshot = {
  jobName: 'job',
  jobId: 'id',
  durationMs: 0,
  operators: [],
  checkpoints: {
    completed: 0,
    failed: 0,
    lastId: undefined,
    lastDurationMs: undefined,
    lastAlignmentMs: undefined,
    isLastUnaligned: undefined,
    lastSizeBytes: undefined,
    lastStateBytes: undefined,
    pendingCommits: 0,
    restoredId: undefined,
  },
};

/** An attempt that ends as the test says. */
class FakeAttempt implements JobAttempt {
  readonly onFailing: () => void;
  cancelledWith: unknown;
  /** Ends when it is cancelled, unless it is to take its time. */
  isSlow = false;
  isSuspended = false;
  isFinished = false;
  #settle: { resolve: (snapshot: AttemptSnapshot) => void; reject: (error: unknown) => void } | undefined;

  constructor(onFailing: () => void) {
    this.onFailing = onFailing;
  }

  get isRunning(): boolean {
    return this.#settle !== undefined;
  }

  run(): Promise<AttemptSnapshot> {
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  end(): void {
    this.#settle?.resolve(NOTHING);
    this.#settle = undefined;
  }

  fail(error: unknown): void {
    this.onFailing();
    this.#settle?.reject(error);
    this.#settle = undefined;
  }

  cancel(error: JobCancelledError): void {
    this.cancelledWith = error;
    if (!this.isSlow) this.fail(error);
  }

  snapshot(): AttemptSnapshot {
    return NOTHING;
  }
}

function supervise(
  restartStrategy: RestartStrategy,
  more: { signal?: AbortSignal; describeRecord?: (record: unknown) => string } = {},
) {
  const clock = new ManualClock(1_000);
  const attempts: FakeAttempt[] = [];
  const log: string[] = [];
  const supervisor = new JobSupervisor<FakeAttempt>({
    restartStrategy,
    clock,
    logger: recordingLogger(log),
    describer: createDescriber(more),
    random: () => 0.5,
    signal: more.signal,
    onCancelMessage: 'cancelled',
    createAttempt: (onFailing) => {
      expect(attempts.some((attempt) => attempt.isRunning)).toBe(false); // invariant 1
      const attempt = new FakeAttempt(onFailing);
      attempts.push(attempt);
      return attempt;
    },
  });
  return { supervisor, clock, attempts, log };
}

const fixed = (attempts: number, delayMs: number) => RestartStrategies.fixedDelay({ attempts, delayMs });

describe('a supervised job', () => {
  it('begins again after its delay, and ends as the last attempt does', async () => {
    const { supervisor, clock, attempts, log } = supervise(fixed(5, 100));
    expect(supervisor.status).toBe('created');
    const result = supervisor.run();
    attempts[0]!.fail(new Error('first'));
    await until(() => supervisor.status === 'restarting');
    clock.advance(99);
    await quiet();
    expect(attempts).toHaveLength(1);
    clock.advance(1);
    await until(() => attempts.length === 2);
    attempts[1]!.fail('second');
    await until(
      () => supervisor.status === 'restarting',
      () => undefined,
    );
    clock.advance(100);
    await until(() => attempts.length === 3);
    attempts[2]!.end();
    expect(await result).toMatchObject({
      status: 'finished',
      durationMs: 200,
      numRestarts: 2,
      exceptions: [
        { at: 1_000, attempt: 1, message: 'first', code: undefined, retryable: true, restartAfterMs: 100 },
        { at: 1_100, attempt: 2, message: 'second', restartAfterMs: 100 },
      ],
    });
    expect(log).toEqual(['job restarts', 'job restarts']);
    expect(clock.pending).toBe(0);
  });

  it('fails with the failure that its strategy does not forgive', async () => {
    const { supervisor, clock, attempts, log } = supervise(fixed(1, 0));
    const result = failureOf(supervisor.run());
    attempts[0]!.fail(new Error('first'));
    await until(
      () => attempts.length === 2,
      () => clock.advance(0),
    );
    const last = new Error('second');
    attempts[1]!.fail(last);
    expect(await result).toBe(last);
    expect(supervisor.snapshot()).toMatchObject({
      status: 'failed',
      numRestarts: 1,
      exceptions: [{ restartAfterMs: 0 }, { message: 'second', restartAfterMs: undefined }],
    });
    expect(log).toEqual(['job restarts', 'job fails for good']);
  });

  it('job supervisor invariant 2: does not try again what cannot go away', async () => {
    const cause = new StreamRecordError('no timestamp');
    const error = new OperatorError("'Map' (subtask 0) failed", {
      cause,
      details: { operator: 'Map', subtask: 0, doing: 'processing the record', record: '7' },
    });
    const { supervisor, attempts } = supervise(fixed(5, 0));
    const result = failureOf(supervisor.run());
    attempts[0]!.fail(error);
    expect(await result).toBe(error);
    expect(supervisor.snapshot().exceptions).toEqual([
      {
        at: 1_000,
        attempt: 1,
        message: "'Map' (subtask 0) failed",
        code: 'MILLRACE_OPERATOR',
        retryable: false,
        operator: 'Map',
        subtask: 0,
        doing: 'processing the record',
        record: '7',
        causes: ['StreamRecordError: no timestamp'],
        restartAfterMs: undefined,
      },
    ]);
  });

  it.each([
    ['ends for good', false],
    ['is started again', true],
  ])('job supervisor invariant 2: %s where a connector’s own error says so', async (_what, retryable) => {
    const cause = Object.assign(new Error('the table is gone'), { retryable });
    const { supervisor, clock, attempts } = supervise(fixed(5, 100));
    const result = failureOf(supervisor.run());
    attempts[0]!.fail(new OperatorError("'Read' (subtask 0) failed", { cause }));
    if (retryable) {
      await until(() => supervisor.status === 'restarting');
      clock.advance(100);
      await until(() => attempts.length === 2);
      attempts[1]!.fail(new StreamRecordError('no timestamp'));
    }
    await result;
    expect(attempts).toHaveLength(retryable ? 2 : 1);
    expect(supervisor.snapshot().exceptions[0]).toMatchObject({ retryable });
  });

  it.each(['before the start', 'while it runs', 'while it fails', 'during the delay'])(
    'job supervisor invariant 3: nothing starts after a cancellation %s',
    async (when) => {
      const controller = new AbortController();
      const { supervisor, clock, attempts } = supervise(fixed(5, 1_000), { signal: controller.signal });
      if (when === 'before the start') controller.abort('enough');
      const result = failureOf(supervisor.run());
      const attempt = attempts[0]!;
      switch (when) {
        case 'while it runs':
          attempt.isSlow = true;
          controller.abort('enough');
          expect(supervisor.status).toBe('cancelling');
          attempt.fail(attempt.cancelledWith);
          break;
        case 'while it fails':
          attempt.onFailing();
          expect(supervisor.status).toBe('failing');
          attempt.isSlow = true;
          controller.abort('enough');
          attempt.fail(new Error('first'));
          break;
        case 'during the delay':
          attempt.fail(new Error('first'));
          await until(() => supervisor.status === 'restarting');
          controller.abort('enough');
          break;
      }
      expect(await result).toMatchObject({ code: 'MILLRACE_CANCELLED', cause: 'enough' });
      expect(supervisor.status).toBe('cancelled');
      expect(supervisor.snapshot().exceptions).toHaveLength(
        when === 'while it fails' || when === 'during the delay' ? 1 : 0,
      );
      supervisor.cancel('again');
      expect(attempts).toHaveLength(1);
      expect(clock.pending).toBe(0);
    },
  );

  it('that was done before its cancellation could stop it has finished', async () => {
    const { supervisor, attempts } = supervise(RestartStrategies.none());
    const result = supervisor.run();
    attempts[0]!.isSlow = true;
    supervisor.cancel();
    attempts[0]!.end();
    expect((await result).status).toBe('finished');
  });

  it('that was done with suspending before its cancellation could stop it is suspended', async () => {
    const { supervisor, attempts } = supervise(RestartStrategies.none());
    const result = supervisor.run();
    attempts[0]!.isSlow = true;
    attempts[0]!.isSuspended = true;
    supervisor.cancel();
    attempts[0]!.end();
    expect((await result).status).toBe('suspended');
  });

  it('keeps the newest 16 failures', async () => {
    const { supervisor, clock, attempts } = supervise(fixed(Infinity, 1));
    const result = failureOf(supervisor.run());
    for (let i = 1; i <= 20; i++) {
      await until(
        () => attempts.length === i,
        () => clock.advance(1),
      );
      attempts[i - 1]!.fail(new Error(`failure ${i}`));
      await until(() => supervisor.status === 'restarting');
    }
    const messages = supervisor.snapshot().exceptions.map(({ message }) => message);
    expect(messages).toEqual(Array.from({ length: 16 }, (_, i) => `failure ${i + 5}`));
    supervisor.cancel();
    await result;
  });

  it('job supervisor invariants 1 and 4: whatever happens, attempts do not overlap and the status goes on to one end', async () => {
    const event = fc.constantFrom('fail', 'fail for good', 'fail slowly', 'end', 'cancel', 'advance');
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
        const { supervisor, clock, attempts } = supervise(fixed(3, 10));
        const seen: JobStatus[] = [];
        const onStatus = (message: unknown) => void seen.push((message as { status: JobStatus }).status);
        subscribe('millrace:job:status', onStatus);
        try {
          const result = supervisor.run().then(
            () => 'finished',
            (error: unknown) => (error instanceof JobCancelledError ? 'cancelled' : 'failed'),
          );
          for (const event of [...events, 'cancel']) {
            const attempt = attempts.at(-1)!;
            if (event === 'fail') attempt.fail(new Error('again'));
            else if (event === 'fail for good') attempt.fail(new StreamRecordError('never'));
            else if (event === 'fail slowly' && attempt.isRunning) attempt.onFailing();
            else if (event === 'end' && supervisor.status === 'running') attempt.end();
            else if (event === 'cancel') supervisor.cancel();
            else clock.advance(10);
            await quiet(2);
          }
          const end = await result;
          expect(supervisor.status).toBe(end);
          expect(seen.at(-1)).toBe(end);
          expect(seen.filter((status) => ['finished', 'cancelled', 'failed'].includes(status))).toHaveLength(
            1,
          );
          expect(seen.filter((status) => status === 'running')).toHaveLength(
            seen[0] === 'cancelled' ? 0 : attempts.length,
          );
          expect(attempts.length).toBeLessThanOrEqual(4);
          expect(clock.pending).toBe(0);
        } finally {
          unsubscribe('millrace:job:status', onStatus);
        }
      }),
      { numRuns: 200 },
    );
  });
});
