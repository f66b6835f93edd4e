/**
 * What the operators of a task contribute to one checkpoint.
 *
 * Role: takes states and rows at the barrier, has the sinks prepare, and puts together what the job is told. Boundary: the
 * task decides when, and sends the barrier.
 *
 * Invariants
 * 1. States and rows are encoded before any rows are taken: a task that cannot encode one has given nothing away, and declines.
 * 2. Rows that were taken, and what sinks have prepared, are handed out in any case: nobody else has them.
 */
import type { StateSchemaInfo } from '../checkpoint/checkpoint-data.js';
import type { TakenRows } from '../checkpoint/segment.js';
import { snapshotMetrics, type OperatorMetricsSnapshot } from '../metrics/operator-metrics.js';
import type { OperatorState } from '../operators/operator.js';
import { decodeState } from '../state/canonical-decoding.js';
import { encodeState } from '../state/canonical-encoding.js';
import type { InFlightCapture, InFlightChannel } from './in-flight.js';
import { operatorError } from './operator-error.js';
import { SinkOperator } from './sink-operator.js';
import type { TaskOperator } from './task.js';

/** What one subtask of one operator contributes to a checkpoint. */
export interface OperatorSnapshot {
  readonly uid: string;
  readonly subtaskIndex: number;
  /** `SubtaskState`, encoded. */
  readonly bytes: Uint8Array;
  /** What its states are. */
  readonly states: readonly StateSchemaInfo[];
  /** The rows that have changed since the last checkpoint; with state on disk they are read while the job goes on. */
  readonly rows: TakenRows;
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
  /** Of the head of a chain: what the checkpoint's barriers have overtaken on their way to it. */
  readonly inFlight?: readonly InFlightChannel[];
}

/** What a sink's writer has prepared at a barrier. */
export interface PreparedSink {
  readonly committables: readonly unknown[];
  /** Gives its state, or throws what taking it has thrown. */
  readonly writerState: () => readonly unknown[] | undefined;
}

const NOTHING = new Uint8Array();

/** An operator's state; a sink's is known when it has prepared its commit. */
interface EncodedState {
  encode(sink: PreparedSink | undefined): Uint8Array;
}

/** What the operators of a task give to a checkpoint. */
export interface TaskParts {
  readonly states: readonly EncodedState[];
  /** By operator: what its states are. */
  readonly infos: readonly (readonly StateSchemaInfo[])[];
  /** By operator: takes its rows. */
  readonly takeRows: readonly (() => TakenRows)[];
}

/** Encodes what every operator gives, at once; nothing is given away yet (invariant 1). */
export function encodeParts(operators: readonly TaskOperator[], checkpointId: number): TaskParts {
  const states = operators.map((chained) => encodeOperatorState(chained, checkpointId));
  const infos = operators.map(({ rows }) => rows.states.infos);
  return { states, infos, takeRows: operators.map((chained) => encodeRows(chained, checkpointId)) };
}

function encodeOperatorState(chained: TaskOperator, checkpointId: number): EncodedState {
  const taking = <R>(work: () => R): R => named(chained, `taking checkpoint ${checkpointId}`, work);
  const subtask = taking(() => ({
    type: chained.type,
    state: chained.operator.snapshotState?.(checkpointId),
    metrics: snapshotMetrics(chained.metrics, chained.operator.lateRecordsDropped ?? 0),
    maxParallelism: chained.maxParallelism,
    watermark: chained.metrics.watermark,
  }));
  const encode = (state: unknown): Uint8Array => {
    const whole: SubtaskState = { ...subtask, state };
    return named(chained, encoding(checkpointId), () => encodeState(whole));
  };
  if (chained.operator instanceof SinkOperator) {
    return { encode: (sink) => encode(taking(() => sink?.writerState())) };
  }
  const bytes = encode(subtask.state);
  return { encode: () => bytes };
}

function encodeRows(chained: TaskOperator, checkpointId: number): () => TakenRows {
  const take = named(chained, encoding(checkpointId), () => chained.rows.snapshot(checkpointId));
  return () => named(chained, `taking checkpoint ${checkpointId}`, take);
}

function encoding(checkpointId: number): string {
  return `encoding its state for checkpoint ${checkpointId}`;
}

function named<R>(at: TaskOperator, doing: string, work: () => R): R {
  try {
    return work();
  } catch (error) {
    throw operatorError(error, at, doing);
  }
}

export class TaskSnapshot {
  readonly checkpointId: number;
  readonly #operators: readonly TaskOperator[];
  readonly #states: readonly EncodedState[] | undefined;
  readonly #infos: TaskParts['infos'];
  readonly #rows: readonly TakenRows[];
  /** What each sink has prepared, by uid; `undefined` while they do. */
  prepared: ReadonlyMap<string, PreparedSink> | undefined;
  /** What is in flight and belongs to the checkpoint. */
  capture: InFlightCapture | undefined;

  /** Takes the rows. `parts` is `undefined` where nothing is stored: then it is only about what sinks commit. */
  constructor(
    checkpointId: number,
    operators: readonly TaskOperator[],
    parts: TaskParts | undefined,
    capture: InFlightCapture | undefined,
  ) {
    this.checkpointId = checkpointId;
    this.#operators = operators;
    this.#states = parts?.states;
    this.#infos = parts?.infos ?? [];
    this.#rows = parts?.takeRows.map((take) => take()) ?? [];
    this.capture = capture;
  }

  get isComplete(): boolean {
    return this.prepared !== undefined && this.capture?.isComplete !== false;
  }

  /** What the job is told. Where a state cannot be encoded, `onError` is called, and the rest is there (invariant 2). */
  operators(onError: (error: unknown) => void): OperatorSnapshot[] {
    return this.#operators.map((chained, index) => {
      const sink = this.prepared?.get(chained.uid);
      let bytes: Uint8Array = NOTHING;
      try {
        bytes = this.#states?.[index]?.encode(sink) ?? NOTHING;
        if (index === 0 && this.capture !== undefined) bytes = withInFlight(bytes, this.capture.channels);
      } catch (error) {
        onError(error);
      }
      return {
        uid: chained.uid,
        subtaskIndex: chained.subtaskIndex,
        bytes,
        states: this.#infos[index] ?? [],
        rows: this.#rows[index],
        committables: sink?.committables ?? [],
      };
    });
  }
}

/** The state was encoded at the barrier, before this was known. */
function withInFlight(bytes: Uint8Array, inFlight: readonly InFlightChannel[]): Uint8Array {
  const whole: SubtaskState = { ...(decodeState(bytes) as SubtaskState), inFlight };
  return encodeState(whole);
}
