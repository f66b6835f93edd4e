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
import type { OperatorMetrics, OperatorMetricsSnapshot } from '../metrics/operator-metrics.js';
import { snapshotMetrics } from '../metrics/operator-metrics.js';
import type { SegmentContent } from '../checkpoint/segment.js';
import type { OperatorState } from '../operators/operator.js';
import { encodeState } from '../state/canonical-encoding.js';
import type { SubtaskRows } from '../state/subtask-rows.js';
import type { ChainedOperator } from './chain-output.js';
import type { ControlElement } from './channel.js';
import { Fifo } from './fifo.js';
import { operatorError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import { SinkOperator } from './sink-operator.js';
import { namingState } from './state-path.js';
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

/** What one subtask of one operator contributes to a checkpoint. */
export interface OperatorSnapshot {
  readonly uid: string;
  readonly subtaskIndex: number;
  /** `SubtaskState`, encoded. */
  readonly bytes: Uint8Array;
  /** The rows that have changed since the last checkpoint. */
  readonly rows: SegmentContent | undefined;
  readonly committables: readonly unknown[];
}

export interface SubtaskState {
  /** The kind of operator that it is of. */
  readonly type: string;
  readonly state: OperatorState;
  readonly metrics: OperatorMetricsSnapshot;
  /** Keyed state belongs to key groups: it cannot be read with another number of them. */
  readonly maxParallelism: number;
  /** The watermark that the subtask had reached: what was late stays late. */
  readonly watermark: number;
}

/** What a task tells its job, and has to know of it. */
export interface TaskListener {
  /** Whether checkpoints are kept: without a storage no state is taken. */
  readonly storesState: boolean;
  onFailure(error: unknown): void;
  onSnapshot(taskId: string, checkpointId: number, operators: readonly OperatorSnapshot[]): void;
  onEnd(taskId: string): void;
  /** There may be work where there was none. */
  wake(): void;
}

const NOTHING = new Uint8Array();

export abstract class Task {
  readonly id: string;
  readonly chained: readonly TaskOperator[];
  readonly #writers: readonly RecordWriter[];
  protected readonly listener: TaskListener;
  readonly #turn: Turn;
  readonly #sinks: readonly (TaskOperator & { readonly operator: SinkOperator })[];
  /** Operators that can be full. */
  readonly #bounded: readonly TaskOperator[];
  readonly #mailbox = new Fifo<() => void>();
  #isBlocked = false;
  /** After the end of the input: the operator that is being drained. */
  #draining: number | undefined;
  #hasEnded = false;
  #isClosed = false;

  constructor(
    id: string,
    operators: readonly TaskOperator[],
    writers: readonly RecordWriter[],
    listener: TaskListener,
    turn: Turn,
  ) {
    this.id = id;
    this.#turn = turn;
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

  /** Downstream operators are opened first, so that one can emit while it opens. */
  async open(): Promise<void> {
    this.#turn.isOpen = true;
    for (const chained of [...this.chained].reverse()) {
      try {
        await chained.operator.open?.();
      } catch (error) {
        throw operatorError(error, chained, 'opening');
      }
      if (this.#isClosed) return; // cancelled meanwhile
    }
    this.onOpen();
    this.#flushWriters();
    this.#turn.isOpen = false;
  }

  /** What a subclass does when all operators are open. */
  protected onOpen(): void {}

  /** One turn. Returns whether anything was done. */
  step(): boolean {
    if (this.#isBlocked) return false; // invariant 1
    this.#turn.isOpen = true;
    const hasWorked = this.#step();
    this.#turn.isOpen = false; // not where it has failed: nothing is processed any more then
    return hasWorked;
  }

  #step(): boolean {
    const mail = this.#mailbox.shift();
    if (mail !== undefined) {
      mail();
      this.#flushWriters();
      this.#awaitBackPressure();
      return true;
    }
    if (!this.#hasRoom) return false;
    const hasProcessed = this.processBatch();
    const hasDrained = this.#drain();
    if (!hasProcessed && !hasDrained) return false;
    this.#flushWriters();
    this.#awaitBackPressure();
    return true;
  }

  post(mail: () => void): void {
    if (this.#isClosed) return;
    this.#mailbox.push(mail);
    this.listener.wake();
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
  #blockOn(promise: Promise<unknown>, then?: () => void): void {
    this.#isBlocked = true;
    promise.then(
      () => {
        this.#isBlocked = false;
        if (this.#isClosed) return;
        try {
          then?.();
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

  /** Takes the checkpoint (invariant 3). Where nothing is stored, it is only about what sinks commit. */
  protected snapshot(checkpointId: number): void {
    const subtasks = this.listener.storesState
      ? this.chained.map((chained) => this.#subtaskState(chained, checkpointId))
      : undefined;
    this.#broadcast({ type: 'barrier', checkpointId });
    const report = (prepared: ReadonlyMap<string, PreparedSink>) => {
      const snapshots = this.chained.map((chained, index): OperatorSnapshot => {
        const sink = prepared.get(chained.uid);
        return {
          uid: chained.uid,
          subtaskIndex: chained.subtaskIndex,
          bytes: subtasks?.[index]?.encode(sink?.writerState) ?? NOTHING,
          rows: subtasks?.[index]?.rows,
          committables: sink?.committables ?? [],
        };
      });
      this.listener.onSnapshot(this.id, checkpointId, snapshots);
    };
    if (this.#sinks.length === 0) {
      report(new Map());
      return;
    }
    const prepared = new Map<string, PreparedSink>();
    this.#blockOn(
      Promise.all(
        this.#sinks.map(async (sink) => {
          prepared.set(
            sink.uid,
            await this.#named(sink, `preparing checkpoint ${checkpointId}`, () =>
              prepare(sink, checkpointId),
            ),
          );
        }),
      ),
      () => report(prepared),
    );
  }

  /** Takes and encodes an operator's state at once; a sink's is known, and encoded, when it has prepared its commit. */
  #subtaskState(chained: TaskOperator, checkpointId: number): TakenState {
    let subtask: SubtaskState;
    let rows: SegmentContent | undefined;
    try {
      subtask = {
        type: chained.type,
        state: chained.operator.snapshotState?.(checkpointId),
        metrics: snapshotMetrics(chained.metrics, chained.operator.lateRecordsDropped ?? 0),
        maxParallelism: chained.maxParallelism,
        watermark: chained.metrics.watermark,
      };
      rows = chained.rows.snapshot();
    } catch (error) {
      throw operatorError(error, chained, `taking checkpoint ${checkpointId}`);
    }
    const encode = (state: unknown): Uint8Array => {
      const whole: SubtaskState = { ...subtask, state };
      try {
        return encodeState(whole);
      } catch (error) {
        const doing = `encoding its state for checkpoint ${checkpointId}`;
        throw operatorError(namingState(error, whole), chained, doing);
      }
    };
    if (chained.operator instanceof SinkOperator) return { encode, rows };
    const bytes = encode(subtask.state);
    return { encode: () => bytes, rows };
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
      return await work();
    } catch (error) {
      throw operatorError(error, sink, doing);
    }
  }

  /** Closes every operator, whatever happens; returns what went wrong. */
  async close(): Promise<unknown[]> {
    this.#isClosed = true;
    this.#mailbox.clear();
    const errors: unknown[] = [];
    for (const chained of this.chained) {
      try {
        await chained.operator.close?.();
      } catch (error) {
        errors.push(operatorError(error, chained, 'closing'));
      }
    }
    return errors;
  }
}

interface TakenState {
  encode(writerState: unknown): Uint8Array;
  readonly rows: SegmentContent | undefined;
}

interface PreparedSink {
  readonly committables: readonly unknown[];
  readonly writerState: readonly unknown[] | undefined;
}

async function prepare(
  sink: ChainedOperator & { readonly operator: SinkOperator },
  checkpointId: number,
): Promise<PreparedSink> {
  const { writer } = sink.operator;
  await writer.flush(false);
  const committables = (await writer.prepareCommit?.(checkpointId)) ?? [];
  return { committables, writerState: writer.snapshotState?.(checkpointId) };
}
