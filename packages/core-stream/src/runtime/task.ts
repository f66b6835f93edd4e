/**
 * One subtask of a chain: its operators, its mailbox, and the parts of its life that wait.
 *
 * Role: runs user code on its own turns only. Boundary: the job decides when it gets a turn; where records come from is
 * the subclass's (a source reader, or input channels).
 *
 * Invariants
 * 1. While `isBlocked`, no record is processed and no mail is read: a sink is flushing, committing or full.
 * 2. Mail (timers, splits, checkpoint triggers) is read in order, between two batches.
 * 3. At a barrier, the state of all operators is taken and the barrier passed on in one turn; nothing of the next
 *    checkpoint is processed before the sinks have prepared theirs.
 * 4. A task that has ended still passes barriers on: the checkpoint that ends a job is an ordinary one.
 * 5. After the end of the input operators are drained and finished one after the other, from the head on: what one still
 *    emits is processed by those behind it before they finish.
 */
import type { OperatorMetrics } from '../metrics/operator-metrics.js';
import type { TaskTimes } from '../metrics/task-times.js';
import type { SubtaskRows } from '../state/subtask-rows.js';
import type { ChainedOperator } from './chain-output.js';
import type { ControlElement } from './channel.js';
import type { CheckpointableTask, CheckpointListener } from './checkpointable-task.js';
import { Fifo } from './fifo.js';
import type { InFlightCapture } from './in-flight.js';
import { describeCall, operatorError } from './operator-error.js';
import type { PendingCalls } from './pending-calls.js';
import type { RecordWriter } from './record-writer.js';
import { SinkOperator } from './sink-operator.js';
import { encodeParts, TaskSnapshot, type PreparedSink } from './task-snapshot.js';
import type { Turn } from './turn.js';

/** An operator of the chain, with its plan's uid. The head comes first. */
export interface TaskOperator extends ChainedOperator {
  readonly uid: string;
  /** What a plan calls this kind of operator. */
  readonly type: string;
  /** Number of its key groups. */
  readonly maxParallelism: number;
  readonly metrics: OperatorMetrics;
  readonly rows: SubtaskRows;
}

/** What a task tells its job, and has to know of it. */
export interface TaskListener extends CheckpointListener {
  /** Whether checkpoints are kept: without a storage no state is taken. */
  readonly storesState: boolean;
  /** Whether the checkpoint that is being taken is for a savepoint. */
  isSavepoint(checkpointId: number): boolean;
  /** What a job that ends waits for. */
  readonly pending: PendingCalls;
  onFailure(error: unknown): void;
  onEnd(taskId: string): void;
  /** There may be work where there was none. */
  wake(): void;
}

export type { OperatorSnapshot, SubtaskState } from './task-snapshot.js';

export abstract class Task implements CheckpointableTask {
  readonly id: string;
  readonly chained: readonly TaskOperator[];
  readonly #writers: readonly RecordWriter[];
  protected readonly listener: TaskListener;
  readonly #turn: Turn;
  readonly #times: TaskTimes;
  readonly #sinks: readonly (TaskOperator & { readonly operator: SinkOperator })[];
  /** Operators that can be full. */
  readonly #bounded: readonly TaskOperator[];
  readonly #mailbox = new Fifo<() => void>();
  #isBlocked = false;
  /** After the end of the input: the operator that is being drained. */
  #draining: number | undefined;
  /** The checkpoint of which this task has passed the barrier on, and not told the job everything. */
  #pending: TaskSnapshot | undefined;
  #hasEnded = false;
  #isClosed = false;

  constructor(
    id: string,
    operators: readonly TaskOperator[],
    writers: readonly RecordWriter[],
    listener: TaskListener,
    turn: Turn,
    times: TaskTimes,
  ) {
    this.id = id;
    this.#turn = turn;
    this.#times = times;
    this.chained = operators;
    this.#writers = writers;
    this.listener = listener;
    this.#sinks = operators.filter(
      (chained): chained is TaskOperator & { readonly operator: SinkOperator } =>
        chained.operator instanceof SinkOperator,
    );
    this.#bounded = operators.filter(({ operator }) => 'isFull' in operator);
  }

  /** Processes one batch from wherever this task reads. Returns whether there was one. */
  protected abstract processBatch(): boolean;

  /** Takes barriers out of turn where a checkpoint overtakes. Returns whether there were any. */
  protected lookForBarriers(): boolean {
    return false;
  }

  /** Opens the operators. The job may still be refused: sinks and sources are not asked for anything. */
  async open(): Promise<void> {
    for (const chained of this.chained.toReversed()) {
      await this.#named(chained, 'opening', () => chained.operator.open?.());
      if (this.#isClosed) return; // cancelled meanwhile
    }
  }

  /** Called when the tasks of the job are open. */
  async createWriters(): Promise<void> {
    for (const sink of this.#sinks) {
      await this.#named(sink, 'creating its writer', () => sink.operator.createWriter());
      if (this.#isClosed) return; // cancelled meanwhile
    }
  }

  /** The job begins. Downstream operators are first, so that one can emit when it starts. */
  start(): void {
    this.#turn.isOpen = true;
    for (const chained of this.chained.toReversed()) {
      try {
        chained.operator.start?.();
      } catch (error) {
        throw operatorError(error, chained, 'starting');
      }
    }
    this.onStart();
    this.#flushWriters();
    this.#turn.isOpen = false;
  }

  /** What a subclass does when all operators have started. */
  protected onStart(): void {}

  /** One turn. Returns whether anything was done. */
  step(): boolean {
    if (this.#isBlocked) {
      this.#times.waits('back-pressured');
      return this.lookForBarriers(); // invariant 1
    }
    this.#turn.isOpen = true;
    const startedAt = this.#times.now;
    const hasWorked = this.#step();
    this.#turn.isOpen = false; // not where it has failed: nothing is processed any more then
    if (hasWorked) this.#times.worked(startedAt, this.#isBlocked ? 'back-pressured' : 'ready');
    return hasWorked;
  }

  #step(): boolean {
    if (this.lookForBarriers()) return true;
    const mail = this.#mailbox.shift();
    if (mail !== undefined) {
      mail();
      this.#flushWriters();
      this.#awaitBackPressure();
      return true;
    }
    if (!this.#hasRoom) {
      this.#times.waits('back-pressured');
      return false;
    }
    const hasProcessed = this.processBatch();
    const hasDrained = this.#drain();
    if (!hasProcessed && !hasDrained) {
      this.#times.waits('idle');
      return false;
    }
    this.#flushWriters();
    this.#awaitBackPressure();
    return true;
  }

  post(mail: () => void): void {
    if (this.#isClosed) return;
    this.#mailbox.push(mail);
    this.listener.wake();
  }

  /** A sink is flushing, committing or full. */
  protected get isBlocked(): boolean {
    return this.#isBlocked;
  }

  protected get isStopped(): boolean {
    return this.#isClosed;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get #hasRoom(): boolean {
    for (const writer of this.#writers) if (!writer.hasRoom) return false;
    for (const { operator } of this.#bounded) if (operator.isFull === true) return false;
    return true;
  }

  #flushWriters(): void {
    for (const writer of this.#writers) writer.flush();
  }

  #broadcast(element: ControlElement): void {
    for (const writer of this.#writers) writer.broadcast(element);
  }

  /** Blocks the task until `promise` is settled, then goes on with `then` (invariant 1). */
  #blockOn<R>(promise: Promise<R>, then?: (result: R) => void): void {
    this.#isBlocked = true;
    promise.then(
      (result) => {
        this.#isBlocked = false;
        if (this.#isClosed) return;
        try {
          then?.(result);
        } catch (error) {
          this.listener.onFailure(error);
        }
        this.listener.wake();
      },
      (error: unknown) => this.listener.onFailure(error),
    );
  }

  /** Asks each sink once: one that always has a promise must not be asked for ever. */
  #awaitBackPressure(from = 0): void {
    if (this.#isBlocked) return;
    for (const [index, sink] of this.#sinks.entries()) {
      const promise = index < from ? undefined : this.#askBackPressure(sink);
      if (promise !== undefined) {
        this.#blockOn(
          this.#named(sink, 'waiting for room', () => promise),
          () => this.#awaitBackPressure(index + 1),
        );
        return;
      }
    }
  }

  #askBackPressure(sink: ChainedOperator & { readonly operator: SinkOperator }): Promise<void> | undefined {
    try {
      return sink.operator.writer.backPressure?.();
    } catch (error) {
      throw operatorError(error, sink, 'waiting for room');
    }
  }

  abortCheckpoint(checkpointId: number): void {
    this.post(() => this.endCheckpoint(checkpointId));
  }

  abstract overtake(checkpointId: number): void;

  /** The checkpoint will not be complete. What this task has taken for it is told all the same. */
  protected endCheckpoint(checkpointId: number): void {
    const pending = this.#pending;
    if (pending?.checkpointId !== checkpointId) return;
    pending.capture = undefined;
    this.reportWhenComplete();
  }

  /** This task cannot contribute to the checkpoint. */
  protected decline(checkpointId: number, error: unknown): void {
    this.listener.onDecline(this.id, checkpointId, error);
    this.endCheckpoint(checkpointId);
  }

  /** Takes the checkpoint, or declines it before anything is passed on (invariant 3). */
  protected snapshot(checkpointId: number, capture?: InFlightCapture): void {
    let parts;
    try {
      parts = this.listener.storesState ? encodeParts(this.chained, checkpointId) : undefined;
    } catch (error) {
      this.decline(checkpointId, error);
      return;
    }
    const pending = new TaskSnapshot(checkpointId, this.chained, parts, capture);
    this.#pending = pending;
    this.#broadcast({ type: 'barrier', checkpointId });
    const onPrepared = (prepared: ReadonlyMap<string, PreparedSink>) => {
      pending.prepared = prepared;
      this.reportWhenComplete();
    };
    if (this.#sinks.length === 0) {
      onPrepared(new Map());
      return;
    }
    const isSavepoint = this.listener.isSavepoint(checkpointId);
    const preparing = this.#sinks.map(async (sink): Promise<[string, PreparedSink]> => {
      const doing = `preparing checkpoint ${checkpointId}`;
      return [sink.uid, await this.#named(sink, doing, () => prepare(sink, checkpointId, isSavepoint))];
    });
    this.#blockOn(
      Promise.all(preparing).then((entries) => new Map(entries)),
      onPrepared,
    );
  }

  protected reportWhenComplete(): void {
    const pending = this.#pending;
    if (pending?.isComplete !== true) return;
    this.#pending = undefined;
    const { checkpointId } = pending;
    const operators = pending.operators((error) => this.listener.onDecline(this.id, checkpointId, error));
    this.listener.onSnapshot(this.id, checkpointId, operators);
  }

  /** The input has ended and +∞ was processed: operators are drained and finish, sinks flush, then the end is passed on. */
  protected end(): void {
    this.#draining = 0;
  }

  /** Returns whether anything was done (invariant 5). */
  #drain(): boolean {
    if (this.#draining === undefined || this.#isBlocked) return false;
    let hasWorked = false;
    for (; this.#draining < this.chained.length; this.#draining++) {
      const chained = this.chained[this.#draining]!;
      try {
        const status = chained.operator.drain?.() ?? 'done';
        if (status === 'more') return true;
        if (status === 'wait') return hasWorked;
        chained.operator.finish?.();
        hasWorked = true;
      } catch (error) {
        throw operatorError(error, chained, 'finishing');
      }
    }
    this.#draining = undefined;
    this.#flushSinks();
    return true;
  }

  #flushSinks(): void {
    const passOn = () => {
      this.#hasEnded = true;
      this.#broadcast({ type: 'end' });
      this.listener.onEnd(this.id);
    };
    if (this.#sinks.length === 0) {
      passOn();
      return;
    }
    this.#blockOn(
      Promise.all(
        this.#sinks.map((sink) =>
          this.#named(sink, 'flushing at the end of input', () => sink.operator.writer.flush(true)),
        ),
      ),
      passOn,
    );
  }

  async #named<R>(sink: ChainedOperator, doing: string, work: () => R | Promise<R>): Promise<R> {
    try {
      return await this.listener.pending.run(describeCall(sink, doing), work);
    } catch (error) {
      throw operatorError(error, sink, doing);
    }
  }

  /** Nothing is begun any more. */
  stop(): void {
    this.#isClosed = true;
    this.#mailbox.clear();
  }

  /** Closes every operator, whatever happens; `onError` is told what goes wrong. The calls are pending until they settle. */
  close(onError: (error: unknown) => void): void {
    this.stop();
    for (const chained of this.chained) {
      this.#named(chained, 'closing', () => chained.operator.close?.()).catch(onError);
    }
  }
}

async function prepare(
  sink: ChainedOperator & { readonly operator: SinkOperator },
  checkpointId: number,
  isSavepoint: boolean,
): Promise<PreparedSink> {
  const { writer } = sink.operator;
  await writer.flush(false);
  const committables = (await writer.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
  try {
    const writerState = writer.snapshotState?.(checkpointId);
    return { committables, writerState: () => writerState };
  } catch (error) {
    // What it has prepared is handed out all the same: the checkpoint is declined where its state is asked for.
    const writerState = () => {
      throw error;
    };
    return { committables, writerState };
  }
}
