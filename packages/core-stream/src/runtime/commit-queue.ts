/**
 * What sinks have prepared and not yet made visible.
 *
 * Invariants
 * 1. A request is here from the moment its checkpoint is being written until its committer, and then its global committer,
 *    have confirmed it: a checkpoint that is written meanwhile contains it.
 * 2. Committers see the requests of one checkpoint in one call, ordered by subtask; a global committer sees them when the
 *    committer has confirmed them.
 * 3. What was prepared belongs to the first checkpoint that is durable after it: where one was aborted, to the next one.
 * 4. When the job has ended nothing is recovered, and no commit begun or repeated: what is left is the next run's.
 */
import type {
  Committer,
  CommitRequest,
  CommitterContext,
  GlobalCommitter,
  Sink,
  SinkContext,
} from '../connectors/sink.js';
import { CheckpointError } from '../errors.js';
import { sleep } from '../time/clock.js';
import { messageOf, type Describer } from './describe-value.js';
import { describeCall, operatorError, type FailingOperator } from './operator-error.js';
import type { PendingCalls } from './pending-calls.js';

export interface SinkCommitter {
  readonly uid: string;
  readonly name: string;
  readonly committer: Committer<unknown>;
  readonly globalCommitter: GlobalCommitter<unknown> | undefined;
  readonly context: Pick<SinkContext, 'clock' | 'logger' | 'signal'>;
  readonly runtime?: CommitterRuntime | undefined;
}

/** What a job gives its committers besides what they see. */
export interface CommitterRuntime {
  readonly describer: Describer;
  readonly pending: PendingCalls;
}

/** Makes the committers of a sink; `undefined` where it has none. What one throws is reported with the sink's name. */
export async function createSinkCommitter(
  sink: Sink<never>,
  name: string,
  context: CommitterContext,
  runtime?: CommitterRuntime,
): Promise<SinkCommitter | undefined> {
  const at = atOf({ name, runtime });
  if (sink.createCommitter === undefined) return undefined;
  let committer: Committer<unknown>;
  try {
    const create = sink.createCommitter.bind(sink);
    committer = await track({ name, runtime }, 'creating its committer', () => create(context));
  } catch (error) {
    throw operatorError(error, at, 'creating its committer');
  }
  const uid = context.operatorUid;
  try {
    const globalCommitter = await track({ name, runtime }, 'creating its global committer', () =>
      sink.createGlobalCommitter?.(context),
    );
    return { uid, name, committer, globalCommitter, context, runtime };
  } catch (error) {
    // The error that matters is the one at hand; the queue will never know of this committer.
    await closeCommitter({ name, runtime }, committer, (failure) =>
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
  #pending = new Map<string, CommitRequest<unknown>[]>();
  #prepared: readonly Prepared[] = [];

  constructor(sinks: readonly SinkCommitter[]) {
    this.#sinks = sinks;
  }

  /** What a restored checkpoint has not committed. */
  add(uid: string, requests: readonly CommitRequest<unknown>[]): void {
    if (requests.length === 0) return;
    this.#pending.set(uid, [...(this.#pending.get(uid) ?? []), ...requests]);
  }

  /**
   * What a writer has prepared, for whatever checkpoint.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` for what no committer would ever make visible
   */
  prepare(uid: string, subtaskIndex: number, committables: readonly unknown[]): void {
    if (committables.length === 0) return;
    if (!this.#sinks.some((sink) => sink.uid === uid)) throw noCommitter(uid, committables.length);
    const prepared = committables.map((committable) => ({ uid, subtaskIndex, committable }));
    this.#prepared = [...this.#prepared, ...prepared];
  }

  /** The checkpoint is durable: what was prepared until it was written is its to commit (invariant 3). */
  complete(checkpointId: number): void {
    this.#pending = this.#withPrepared(checkpointId);
    this.#prepared = [];
  }

  /** Everything that is not committed when `checkpointId` is written, by sink (invariant 1). */
  snapshot(checkpointId: number): { uid: string; requests: readonly CommitRequest<unknown>[] }[] {
    return Array.from(this.#withPrepared(checkpointId), ([uid, requests]) => ({ uid, requests }));
  }

  #withPrepared(checkpointId: number): Map<string, CommitRequest<unknown>[]> {
    const all = new Map(Array.from(this.#pending, ([uid, requests]) => [uid, [...requests]]));
    for (const { uid, subtaskIndex, committable } of this.#prepared) {
      const request = { checkpointId, subtaskIndex, committable };
      const requests = all.get(uid);
      if (requests === undefined) all.set(uid, [request]);
      else requests.push(request);
    }
    return all;
  }

  /** `writerStatesOf` gives what the restored checkpoint holds of a sink's writers. */
  async recover(writerStatesOf: (uid: string) => readonly unknown[]): Promise<void> {
    for (const sink of this.#sinks) {
      sink.context.signal.throwIfAborted(); // invariant 4
      const doing = 'recovering what earlier runs have prepared';
      try {
        const pending = this.#pending.get(sink.uid) ?? [];
        await track(sink, doing, () => sink.committer.recover?.(pending, writerStatesOf(sink.uid)));
      } catch (error) {
        throw operatorError(error, atOf(sink), doing);
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

  /** Closes every committer, whatever happens; `onError` is told what goes wrong. The calls are pending until they settle. */
  close(onError: (error: unknown) => void): void {
    for (const sink of this.#sinks) void closeSink(sink, onError);
  }
}

async function commitWithRetries(
  sink: SinkCommitter,
  committer: Committer<unknown> | GlobalCommitter<unknown>,
  requests: readonly CommitRequest<unknown>[],
  doing: string,
): Promise<void> {
  const { retry } = committer;
  const { context } = sink;
  for (let attempt = 1; ; attempt++) {
    context.signal.throwIfAborted(); // invariant 4
    try {
      await track(sink, doing, () => committer.commit(requests));
      return;
    } catch (error) {
      const failure = operatorError(error, atOf(sink), doing);
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

function atOf({ name, runtime }: Pick<SinkCommitter, 'name' | 'runtime'>): FailingOperator {
  return { name, subtaskIndex: 0, describer: runtime?.describer };
}

/** Calls a committer; a job that ends waits for it. */
async function track<R>(
  sink: Pick<SinkCommitter, 'name' | 'runtime'>,
  doing: string,
  work: () => R | Promise<R>,
): Promise<R> {
  const { pending } = sink.runtime ?? {};
  return pending === undefined ? work() : pending.run(describeCall(atOf(sink), doing), work);
}

/** The global committer first. Never rejects. */
export async function closeSink(sink: SinkCommitter, onError: (error: unknown) => void): Promise<void> {
  if (sink.globalCommitter !== undefined) await closeCommitter(sink, sink.globalCommitter, onError);
  await closeCommitter(sink, sink.committer, onError);
}

async function closeCommitter(
  sink: Pick<SinkCommitter, 'name' | 'runtime'>,
  committer: Pick<Committer<unknown>, 'close'>,
  onError: (error: unknown) => void,
): Promise<void> {
  const doing = 'closing its committer';
  try {
    await track(sink, doing, () => committer.close?.());
  } catch (error) {
    onError(operatorError(error, atOf(sink), doing));
  }
}

export function noCommitter(uid: string, count: number): CheckpointError {
  return new CheckpointError(
    `The sink with uid '${uid}' has ${count} prepared ${count === 1 ? 'commit' : 'commits'} and no committer: nothing would make them visible. ` +
      'Give it its createCommitter (back), or let its writers prepare nothing.',
    { details: { uid } },
  );
}
