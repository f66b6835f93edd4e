/**
 * What sinks have prepared and not yet made visible.
 *
 * Invariants
 * 1. A request is here from the moment its checkpoint is being written until its committer has confirmed it: a checkpoint
 *    that is written meanwhile contains it.
 * 2. Committers see the requests of one checkpoint in one call, ordered by subtask.
 */
import type { Committer, CommitRequest } from '../connectors/sink.js';
import { CheckpointError } from '../errors.js';
import { operatorError } from './operator-error.js';

export interface SinkCommitter {
  readonly uid: string;
  readonly name: string;
  readonly committer: Committer<unknown>;
}

export class CommitQueue {
  readonly #sinks: readonly SinkCommitter[];
  readonly #pending = new Map<string, CommitRequest<unknown>[]>();

  constructor(sinks: readonly SinkCommitter[]) {
    this.#sinks = sinks;
  }

  /** @throws CheckpointError `MILLRACE_CHECKPOINT` for requests that no committer would ever make visible */
  add(uid: string, requests: readonly CommitRequest<unknown>[]): void {
    if (requests.length === 0) return;
    if (!this.#sinks.some((sink) => sink.uid === uid)) throw noCommitter(uid, requests.length);
    this.#pending.set(uid, [...(this.#pending.get(uid) ?? []), ...requests]);
  }

  /** Everything that is not committed, by sink (invariant 1). */
  snapshot(): { uid: string; requests: readonly CommitRequest<unknown>[] }[] {
    return [...this.#pending].map(([uid, requests]) => ({ uid, requests }));
  }

  async recover(): Promise<void> {
    for (const sink of this.#sinks) {
      try {
        await sink.committer.recover?.(this.#pending.get(sink.uid) ?? []);
      } catch (error) {
        throw operatorError(
          error,
          { name: sink.name, subtaskIndex: 0 },
          'recovering what earlier runs have prepared',
        );
      }
    }
  }

  /**
   * Commits everything of checkpoints up to `checkpointId`, all sinks at the same time. Settles when all of them have ended:
   * a committer is not closed while it commits.
   */
  async commit(checkpointId: number): Promise<void> {
    const commits = await Promise.allSettled(this.#sinks.map((sink) => this.#commitSink(sink, checkpointId)));
    for (const commit of commits) if (commit.status === 'rejected') throw commit.reason;
  }

  async #commitSink(sink: SinkCommitter, upTo: number): Promise<void> {
    for (;;) {
      const waiting = (this.#pending.get(sink.uid) ?? []).filter((request) => request.checkpointId <= upTo);
      if (waiting.length === 0) return;
      const checkpointId = waiting.reduce(
        (lowest, request) => Math.min(lowest, request.checkpointId),
        Infinity,
      );
      const requests = waiting
        .filter((request) => request.checkpointId === checkpointId)
        .sort((a, b) => a.subtaskIndex - b.subtaskIndex); // invariant 2
      try {
        await sink.committer.commit(requests);
      } catch (error) {
        throw operatorError(
          error,
          { name: sink.name, subtaskIndex: 0 },
          `committing checkpoint ${checkpointId}`,
        );
      }
      const rest = (this.#pending.get(sink.uid) ?? []).filter(
        (request) => request.checkpointId !== checkpointId,
      );
      if (rest.length > 0) this.#pending.set(sink.uid, rest);
      else this.#pending.delete(sink.uid);
    }
  }

  async close(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (const sink of this.#sinks) {
      try {
        await sink.committer.close?.();
      } catch (error) {
        errors.push(operatorError(error, { name: sink.name, subtaskIndex: 0 }, 'closing its committer'));
      }
    }
    return errors;
  }
}

function noCommitter(uid: string, count: number): CheckpointError {
  return new CheckpointError(
    `The sink with uid '${uid}' has ${count} prepared ${count === 1 ? 'commit' : 'commits'} and no committer: nothing would make them visible. ` +
      'Give it its createCommitter (back), or let its writers prepare nothing.',
    { details: { uid } },
  );
}
