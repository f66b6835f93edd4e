/**
 * What sinks have prepared and not yet made visible.
 *
 * Invariants
 * 1. A request is here from the moment its checkpoint is being written until its committer, and then its global committer,
 *    have confirmed it: a checkpoint that is written meanwhile contains it.
 * 2. Committers see the requests of one checkpoint in one call, ordered by subtask; a global committer sees them when the
 *    committer has confirmed them.
 * 3. What was prepared belongs to the first checkpoint that is durable after it: where one was aborted, to the next one.
 */
import type { Committer, CommitRequest, GlobalCommitter, Sink, SinkContext } from '../connectors/sink.js';
import { CheckpointError, StreamConfigError } from '../errors.js';
import { sleep } from '../time/clock.js';
import { messageOf } from './describe-value.js';
import { operatorError } from './operator-error.js';

export interface SinkCommitter {
  readonly uid: string;
  readonly name: string;
  readonly committer: Committer<unknown>;
  readonly globalCommitter: GlobalCommitter<unknown> | undefined;
  readonly context: Pick<SinkContext, 'clock' | 'logger' | 'signal'>;
}

/** Makes the committers of a sink; `undefined` where it has none. What one throws is reported with the sink's name. */
export async function createSinkCommitter(
  sink: Sink<never>,
  name: string,
  context: SinkContext,
): Promise<SinkCommitter | undefined> {
  const at = { name, subtaskIndex: 0 };
  if (sink.createCommitter === undefined) {
    if (sink.createGlobalCommitter === undefined) return undefined;
    throw new StreamConfigError(
      `The sink '${name}' has a createGlobalCommitter and no createCommitter, which makes visible what it is about: add one.`,
    );
  }
  let committer: Committer<unknown>;
  try {
    committer = await sink.createCommitter(context);
  } catch (error) {
    throw operatorError(error, at, 'creating its committer');
  }
  const uid = context.operatorUid;
  try {
    const globalCommitter = await sink.createGlobalCommitter?.(context);
    return { uid, name, committer, globalCommitter, context };
  } catch (error) {
    // The error that matters is the one at hand; the queue will never know of this committer.
    await closeCommitter(committer, at).catch((failure: unknown) =>
      context.logger.warn('closing failed', { error: messageOf(failure) }),
    );
    throw operatorError(error, at, 'creating its global committer');
  }
}

/** What a subtask has prepared, before it belongs to a checkpoint. */
interface Prepared {
  readonly uid: string;
  readonly subtaskIndex: number;
  readonly committable: unknown;
}

export class CommitQueue {
  readonly #sinks: readonly SinkCommitter[];
  readonly #pending = new Map<string, CommitRequest<unknown>[]>();
  #prepared: readonly Prepared[] = [];

  constructor(sinks: readonly SinkCommitter[]) {
    this.#sinks = sinks;
  }

  /** @throws CheckpointError `MILLRACE_CHECKPOINT` for requests that no committer would ever make visible */
  add(uid: string, requests: readonly CommitRequest<unknown>[]): void {
    if (requests.length === 0) return;
    this.#requireCommitter(uid, requests.length);
    this.#pending.set(uid, [...(this.#pending.get(uid) ?? []), ...requests]);
  }

  /**
   * What a writer has prepared, for whatever checkpoint.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` for what no committer would ever make visible
   */
  prepare(uid: string, subtaskIndex: number, committables: readonly unknown[]): void {
    if (committables.length === 0) return;
    this.#requireCommitter(uid, committables.length);
    const prepared = committables.map((committable) => ({ uid, subtaskIndex, committable }));
    this.#prepared = [...this.#prepared, ...prepared];
  }

  /** The checkpoint is durable: what was prepared until it was written is its to commit (invariant 3). */
  complete(checkpointId: number): void {
    for (const { uid, subtaskIndex, committable } of this.#prepared) {
      this.add(uid, [{ checkpointId, subtaskIndex, committable }]);
    }
    this.#prepared = [];
  }

  /** Everything that is not committed when `checkpointId` is written, by sink (invariant 1). */
  snapshot(checkpointId: number): { uid: string; requests: readonly CommitRequest<unknown>[] }[] {
    const requests = new Map(this.#pending);
    for (const { uid, subtaskIndex, committable } of this.#prepared) {
      requests.set(uid, [...(requests.get(uid) ?? []), { checkpointId, subtaskIndex, committable }]);
    }
    return [...requests].map(([uid, all]) => ({ uid, requests: all }));
  }

  #requireCommitter(uid: string, count: number): void {
    if (!this.#sinks.some((sink) => sink.uid === uid)) throw noCommitter(uid, count);
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
      await commitWithRetries(sink, sink.committer, requests, `committing checkpoint ${checkpointId}`);
      if (sink.globalCommitter !== undefined) {
        await commitWithRetries(
          sink,
          sink.globalCommitter,
          requests,
          `committing checkpoint ${checkpointId} globally`,
        );
      }
      const rest = (this.#pending.get(sink.uid) ?? []).filter(
        (request) => request.checkpointId !== checkpointId,
      );
      if (rest.length > 0) this.#pending.set(sink.uid, rest);
      else this.#pending.delete(sink.uid);
    }
  }

  /**
   * Closes every committer, whatever happens; returns what went wrong. Once `giveUp` is aborted, one that is still closing is
   * left alone, which is reported like an error.
   */
  async close(giveUp?: AbortSignal): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (const { name, committer, globalCommitter } of this.#sinks) {
      const at = { name, subtaskIndex: 0 };
      for (const closing of globalCommitter === undefined ? [committer] : [globalCommitter, committer]) {
        await unlessAborted(closeCommitter(closing, at), giveUp).catch((error: unknown) =>
          errors.push(operatorError(error, at, 'closing its committer')),
        );
      }
    }
    return errors;
  }
}

async function commitWithRetries(
  { name, context }: SinkCommitter,
  committer: Committer<unknown> | GlobalCommitter<unknown>,
  requests: readonly CommitRequest<unknown>[],
  doing: string,
): Promise<void> {
  const { retry } = committer;
  for (let attempt = 1; ; attempt++) {
    try {
      await committer.commit(requests);
      return;
    } catch (error) {
      const failure = operatorError(error, { name, subtaskIndex: 0 }, doing);
      const isOver = retry === undefined || attempt >= retry.maxAttempts || context.signal.aborted;
      if (isOver || retry.retryOnError?.(error) === false) throw failure;
      const delayMs = retry.delayMs(attempt);
      context.logger.warn('a commit was rejected and is repeated', {
        error: failure.message,
        attempt,
        delayMs,
      });
      await sleep(context.clock, delayMs, context.signal);
    }
  }
}

async function closeCommitter(
  committer: Pick<Committer<unknown>, 'close'>,
  at: { readonly name: string; readonly subtaskIndex: number },
): Promise<void> {
  try {
    await committer.close?.();
  } catch (error) {
    throw operatorError(error, at, 'closing its committer');
  }
}

/** Rejects when `signal` is aborted before `work` has settled. */
function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error('it did not close in time, and was left alone'));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
}

function noCommitter(uid: string, count: number): CheckpointError {
  return new CheckpointError(
    `The sink with uid '${uid}' has ${count} prepared ${count === 1 ? 'commit' : 'commits'} and no committer: nothing would make them visible. ` +
      'Give it its createCommitter (back), or let its writers prepare nothing.',
    { details: { uid } },
  );
}
