import type {
  Committer,
  CommitRequest,
  CommitterContext,
  Sink,
  SinkWriter,
  SinkWriterContext,
} from '../connectors/sink.js';
import { turn } from './conditions.js';

/** What the sink's writers hand over to be committed. */
export interface Prepared {
  readonly transaction: string;
  readonly count: number;
}

/** Called at every point where a crash is interesting; throws to crash. */
export type FaultPoint = (point: string) => void;

/**
 * What lies outside of the job and survives it: transactions that were prepared, and rows that everybody sees. Keep one
 * object over all runs of a job.
 */
export class ExternalSystem<T> {
  readonly prepared = new Map<string, readonly T[]>();
  readonly committed = new Set<string>();
  /** What was committed, in order. */
  readonly visible: T[] = [];
  transactions = 0;
  /** Checkpoints whose commit began, in order, by all runs. */
  readonly commitOrder: number[] = [];
  /** Says whether a checkpoint is durable: a commit of one that is not is refused, because it is a bug. */
  isDurable: (checkpointId: number) => boolean = () => true;

  /** Makes a transaction's rows visible; doing it again changes nothing. */
  commit(request: CommitRequest<Prepared>): void {
    const { transaction, count } = request.committable;
    if (this.committed.has(transaction)) return;
    const rows = this.prepared.get(transaction);
    if (rows?.length !== count) throw new Error(`the transaction ${transaction} is not there any more`);
    if (!this.isDurable(request.checkpointId))
      throw new Error(`checkpoint ${request.checkpointId} is not durable`);
    for (const row of rows) this.visible.push(row);
    this.committed.add(transaction);
    this.prepared.delete(transaction);
  }
}

/**
 * A two-phase sink into an `ExternalSystem`: shows records once their checkpoint is complete, each once. `fault` is called at
 * the points where a crash is interesting, by name; what it throws fails the job.
 */
export class TransactionalSink<T> implements Sink<T, Prepared, never> {
  readonly #system: ExternalSystem<T>;
  readonly #fault: FaultPoint;

  constructor(system: ExternalSystem<T>, fault: FaultPoint = () => undefined) {
    this.#system = system;
    this.#fault = fault;
  }

  createWriter(context: SinkWriterContext): SinkWriter<T, Prepared, never> {
    const system = this.#system;
    const fault = this.#fault;
    let rows: T[] = [];
    fault('createWriter');
    return {
      write(value) {
        rows.push(value);
      },
      flush: () => {
        fault('flush');
      },
      async prepareCommit(checkpointId) {
        fault('before prepare');
        await turn();
        if (rows.length === 0) return [];
        const transaction = `${context.operatorUid}/${checkpointId}/${context.subtaskIndex}/${system.transactions++}`;
        system.prepared.set(transaction, rows);
        const committable = { transaction, count: rows.length };
        rows = [];
        fault('after prepare');
        return [committable];
      },
      close: () => undefined,
    };
  }

  createCommitter(_context: CommitterContext): Committer<Prepared> {
    const system = this.#system;
    const fault = this.#fault;
    return {
      recover(pending) {
        fault('recover');
        const kept = new Set(pending.map(({ committable }) => committable.transaction));
        for (const transaction of [...system.prepared.keys()]) {
          if (!kept.has(transaction)) system.prepared.delete(transaction);
        }
      },
      async commit(requests) {
        fault('before commit');
        for (const request of requests) {
          system.commitOrder.push(request.checkpointId);
          system.commit(request);
          await turn();
          fault('after commit');
        }
      },
    };
  }
}
