/** What waits between two tasks and belongs to a checkpoint whose barriers have overtaken it. */
import { StreamRecordError } from '../errors.js';
import type { ChannelEdge } from '../plan/execution-plan.js';
import { decodeState } from '../state/canonical-decoding.js';
import { encodeState } from '../state/canonical-encoding.js';
import type { RecordBatch, StreamElement } from './channel.js';
import { recordError, type FailingOperator } from './operator-error.js';

/** An edge as a checkpoint names it, by the uids of its ends: the one that reads it stores it. */
export interface EdgeName {
  readonly from: string;
  readonly outputTag: string | undefined;
  readonly inputIndex: 0 | 1;
  /** Which one it is of several edges that are the same in all this: a stream in a union with itself. */
  readonly occurrence: number;
}

/** A channel as a checkpoint names it. */
export interface ChannelName {
  readonly edge: EdgeName;
  readonly partitioning: ChannelEdge['partitioning']['type'];
  /** The upstream subtask; `undefined` for records that a restore has brought to this subtask and that it has not read yet. */
  readonly from: number | undefined;
}

/** What was under way in one channel, with what the channel had said before. */
export interface InFlightChannel extends ChannelName {
  readonly watermark: number;
  readonly isIdle: boolean;
  /** Batches of records, watermarks and idle marks in order, each encoded. */
  readonly elements: readonly Uint8Array[];
}

/** Records, watermarks and idle marks. The end of an input is not stored: upstream says it again. */
export type InFlightElement = Exclude<StreamElement, { readonly type: 'barrier' | 'end' }>;

export function decodeElements({ elements }: InFlightChannel): InFlightElement[] {
  return elements.map((bytes) => decodeState(bytes) as InFlightElement);
}

export function edgeKey({ from, outputTag, inputIndex, occurrence }: EdgeName): string {
  return JSON.stringify([from, outputTag, inputIndex, occurrence]);
}

interface Capturing {
  readonly name: ChannelName;
  readonly watermark: number;
  readonly isIdle: boolean;
  readonly elements: Uint8Array[];
}

/**
 * Collects what is in flight to one task for one checkpoint.
 *
 * Invariants
 * 1. What is collected is encoded at once: what the program does with a record later does not reach it.
 * 2. It is complete when the barriers of all channels have come; it takes nothing of a channel after its barrier.
 */
export class InFlightCapture {
  readonly checkpointId: number;
  readonly #reader: FailingOperator;
  readonly #channels: readonly Capturing[];
  readonly #restored: InFlightChannel[] = [];
  readonly #missing: Set<number>;

  /** `reader` is the operator that the channels lead to. */
  constructor(
    checkpointId: number,
    reader: FailingOperator,
    channels: readonly Omit<InFlightChannel, 'elements'>[],
  ) {
    this.checkpointId = checkpointId;
    this.#reader = reader;
    this.#channels = channels.map(({ watermark, isIdle, ...name }) => ({
      name,
      watermark,
      isIdle,
      elements: [],
    }));
    this.#missing = new Set(channels.keys());
  }

  get isComplete(): boolean {
    return this.#missing.size === 0;
  }

  /** Channels whose barrier has not come. */
  get missing(): ReadonlySet<number> {
    return this.#missing;
  }

  /** @throws OperatorError `MILLRACE_OPERATOR` for a record that is not plain data, naming it and where it came from */
  add(channel: number, element: StreamElement): void {
    if (element.type === 'barrier' || element.type === 'end' || !this.#missing.has(channel)) return; // invariant 2
    const { name, elements } = this.#channels[channel]!;
    elements.push(this.#encode(element, name));
  }

  /** The channel's barrier is there; `elements` were before it. */
  addUntilBarrier(channel: number, elements: readonly StreamElement[]): void {
    for (const element of elements) this.add(channel, element);
    this.#missing.delete(channel);
  }

  /** Records that came from a restored checkpoint, and were not read yet. */
  addRestored(name: ChannelName, batches: readonly RecordBatch[]): void {
    const elements = batches.map((batch) => this.#encode(batch, name));
    this.#restored.push({ ...name, watermark: 0, isIdle: false, elements });
  }

  #encode(element: InFlightElement, name: ChannelName): Uint8Array {
    try {
      return encodeState(element); // invariant 1
    } catch (error) {
      throw this.#notPlain(error, element, name);
    }
  }

  #notPlain(error: unknown, element: InFlightElement, { edge }: ChannelName): unknown {
    if (!(error instanceof StreamRecordError) || element.type !== 'records') return error;
    const path = String(error.details.path);
    const [start, index] = /^state\.values\[(\d+)\]/.exec(path) ?? [];
    if (start === undefined) return error;
    const where = path.replace(start, 'record');
    const cause = new StreamRecordError(error.message.replace(`'${path}'`, `'${where}'`), {
      details: { path: where },
    });
    const doing = `storing for checkpoint ${this.checkpointId}, which has overtaken it on its way from '${edge.from}', the record`;
    return recordError(cause, this.#reader, element.values[Number(index)], doing);
  }

  /** Everything that was collected; a channel without records too: what it had said before is part of the state. */
  get channels(): readonly InFlightChannel[] {
    const captured = this.#channels.map(({ name, watermark, isIdle, elements }) => ({
      ...name,
      watermark,
      isIdle,
      elements,
    }));
    return [...this.#restored, ...captured];
  }
}
