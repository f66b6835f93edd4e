import { OperatorError } from '../errors.js';
import type { OperatorMetrics } from '../metrics/operator-metrics.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { describeValue } from './describe-value.js';
import type { RecordWriter } from './record-writer.js';

/** An operator inside a chain, with what identifies it in errors and metrics. */
export interface ChainedOperator {
  readonly name: string;
  readonly subtaskIndex: number;
  readonly operator: StreamOperator;
  readonly metrics: OperatorMetrics;
}

interface Target {
  push(value: unknown, timestamp: number): void;
  watermark(timestamp: number): void;
  idle(isIdle: boolean): void;
}

/** Where an operator's results go: calls the next operators of the chain, and fills the writers of its channels. */
export class ChainOutput implements Output {
  readonly #metrics: OperatorMetrics;
  readonly #main: Target[] = [];
  readonly #side = new Map<string, Target[]>();
  /** The only main target, where there is just one: the usual case, without a loop. */
  #single: Target | undefined;

  constructor(metrics: OperatorMetrics) {
    this.#metrics = metrics;
  }

  addOperator(next: ChainedOperator, outputTag: string | undefined): void {
    this.#add(
      {
        push: (value, timestamp) => processElement(next, value, timestamp),
        watermark: (timestamp) => processWatermark(next, timestamp),
        idle: (isIdle) => next.operator.processIdle(isIdle),
      },
      outputTag,
    );
  }

  addWriter(writer: RecordWriter, outputTag: string | undefined): void {
    this.#add(
      {
        push: (value, timestamp) => writer.write(value, timestamp),
        watermark: (timestamp) => writer.broadcast({ type: 'watermark', timestamp }),
        idle: (isIdle) => writer.broadcast({ type: 'idle', isIdle }),
      },
      outputTag,
    );
  }

  #add(target: Target, outputTag: string | undefined): void {
    if (outputTag === undefined) {
      this.#main.push(target);
      this.#single = this.#main.length === 1 ? target : undefined;
      return;
    }
    const targets = this.#side.get(outputTag);
    if (targets === undefined) this.#side.set(outputTag, [target]);
    else targets.push(target);
  }

  collect(value: unknown, timestamp: number): void {
    this.#metrics.recordsOut++;
    if (this.#single !== undefined) this.#single.push(value, timestamp);
    else for (const target of this.#main) target.push(value, timestamp);
  }

  sideOutput(tagId: string, value: unknown, timestamp: number): void {
    const { sideOutputs } = this.#metrics;
    sideOutputs.set(tagId, (sideOutputs.get(tagId) ?? 0) + 1);
    const targets = this.#side.get(tagId);
    if (targets === undefined) return; // nobody reads this side output; the count says so
    for (const target of targets) target.push(value, timestamp);
  }

  emitWatermark(timestamp: number): void {
    this.#metrics.watermark = timestamp;
    for (const target of this.#main) target.watermark(timestamp);
    for (const targets of this.#side.values()) for (const target of targets) target.watermark(timestamp);
  }

  emitIdle(isIdle: boolean): void {
    for (const target of this.#main) target.idle(isIdle);
    for (const targets of this.#side.values()) for (const target of targets) target.idle(isIdle);
  }
}

/** Calls an operator; what it throws is wrapped once, with the operator's name and the record. */
export function processElement(chained: ChainedOperator, value: unknown, timestamp: number): void {
  chained.metrics.recordsIn++;
  try {
    chained.operator.processElement(value, timestamp);
  } catch (error) {
    throw operatorError(error, chained, `processing the record ${describeValue(value)}`);
  }
}

export function processWatermark(chained: ChainedOperator, timestamp: number): void {
  chained.metrics.watermark = timestamp;
  try {
    chained.operator.processWatermark(timestamp);
  } catch (error) {
    throw operatorError(error, chained, `handling the watermark ${timestamp}`);
  }
}

export function operatorError(
  error: unknown,
  at: { readonly name: string; readonly subtaskIndex: number },
  doing: string,
): OperatorError {
  if (error instanceof OperatorError) return error; // already named, further down the chain
  const reason = error instanceof Error ? error.message : String(error);
  return new OperatorError(`'${at.name}' (subtask ${at.subtaskIndex}) failed while ${doing}: ${reason}`, {
    cause: error,
    details: { operator: at.name, subtask: at.subtaskIndex },
  });
}
