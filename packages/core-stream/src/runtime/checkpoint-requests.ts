/** Checkpoints and savepoints that a user has asked for and not got: each is answered once. */
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import type { CheckpointFailureReason, CheckpointRequest } from '../checkpoint/coordinator-state.js';
import { writeSavepoint } from '../checkpoint/savepoint.js';
import { CheckpointError, InvariantError } from '../errors.js';
import type { Clock } from '../time/clock.js';
import { savedTooSlowly } from './checkpoint-failure.js';
import { messageOf } from './describe-value.js';
import type { PendingCalls } from './pending-calls.js';
import { untilAborted } from './until-aborted.js';

/** What a user asks for. */
export interface SavepointRequest {
  /** `undefined`: a checkpoint is enough. */
  readonly target: CheckpointStorage | undefined;
  readonly then: CheckpointRequest['then'];
}

interface OpenRequest extends SavepointRequest {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What writing a savepoint needs. */
export interface SaveOptions {
  /** Where the checkpoint is. */
  readonly storage: CheckpointStorage | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly pending: PendingCalls;
  readonly signal: AbortSignal;
}

export class CheckpointRequests {
  readonly #open = new Map<number, OpenRequest>();
  #count = 0;

  /** Calls `ask` with what the coordinator has to know. */
  add({ target, then }: SavepointRequest, ask: (request: CheckpointRequest) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = this.#count++;
      this.#open.set(id, { target, then, resolve, reject });
      ask({ id, saves: target !== undefined, then });
    });
  }

  /**
   * Copies a checkpoint to the place that the request names.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where that takes too long, or what the storages throw
   */
  async save(id: number, checkpointId: number, options: SaveOptions): Promise<void> {
    const { storage, timeoutMs, clock, pending } = options;
    const target = this.#open.get(id)?.target;
    if (target === undefined || storage === undefined) {
      throw new InvariantError('a savepoint has no place to go to, or to come from');
    }
    const late = new AbortController();
    const signal = AbortSignal.any([options.signal, late.signal]);
    const cancel = clock.schedule(timeoutMs, () => late.abort(savedTooSlowly(timeoutMs)));
    try {
      const saving = pending.run(`a savepoint is being written to ${target.location}`, () =>
        writeSavepoint(storage, checkpointId, target, signal),
      );
      await untilAborted(saving, signal);
    } finally {
      cancel();
    }
  }

  fulfil(id: number): void {
    this.#take(id)?.resolve();
  }

  reject(id: number, reason: CheckpointFailureReason, cause: unknown): void {
    const request = this.#take(id);
    if (request === undefined) return;
    const { target, then } = request;
    const what =
      target === undefined ? 'The job was not stopped' : `No savepoint was written to ${target.location}`;
    const why =
      reason === 'job-over'
        ? 'the job has ended, or is being restarted'
        : messageOf(cause).replace(/\.$/, '');
    const next = reason === 'job-over' || then === 'drain' ? '' : ' The job goes on.';
    request.reject(new CheckpointError(`${what}: ${why}.${next}`, { cause, retryable: true }));
  }

  #take(id: number): OpenRequest | undefined {
    const request = this.#open.get(id);
    this.#open.delete(id);
    return request;
  }
}
