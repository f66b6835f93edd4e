/** Checkpoints and savepoints that a user has asked for and not got: each is answered once. */
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import type { CheckpointFailureReason, CheckpointRequest } from '../checkpoint/coordinator-state.js';
import { CheckpointError } from '../errors.js';
import { messageOf } from './describe-value.js';

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

  targetOf(id: number): CheckpointStorage | undefined {
    return this.#open.get(id)?.target;
  }

  fulfil(id: number): void {
    this.#take(id)?.resolve();
  }

  reject(id: number, reason: CheckpointFailureReason, cause: unknown): void {
    const request = this.#take(id);
    if (request === undefined) return;
    const { target, then } = request;
    const what =
      target === undefined ? 'The job was not stopped' : `There is no savepoint in ${target.location}`;
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
