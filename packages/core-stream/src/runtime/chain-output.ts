import { Counter } from '../metrics/counter.js';
import type { OperatorMetrics } from '../metrics/operator-metrics.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { compileCollect, type Collect } from './chain-compiler.js';
import type { Describer } from './describe-value.js';
import { operatorError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import type { Turn } from './turn.js';

/** An operator inside a chain, with what identifies it in errors and metrics. */
export interface ChainedOperator {
  readonly name: string;
  readonly subtaskIndex: number;
  readonly describer?: Describer;
  readonly operator: StreamOperator;
  readonly metrics: OperatorMetrics;
}

/** What reads an output: the next operator of the chain with its own output, or a writer that leaves the chain. */
export type Target =
  | { readonly kind: 'operator'; readonly chained: ChainedOperator; readonly output: ChainOutput }
  | { readonly kind: 'writer'; readonly writer: RecordWriter };

interface SideOutput {
  readonly targets: Target[];
  readonly count: Counter;
  collect: Collect;
}

/**
 * Where an operator's results go: calls the next operators of the chain, and fills the writers of its channels.
 * `link` has to be called before the first record, when all targets are known.
 */
export class ChainOutput implements Output {
  readonly metrics: OperatorMetrics;
  readonly main: Target[] = [];
  readonly #side = new Map<string, SideOutput>();
  /** Of the main and all side outputs. */
  readonly #targets: Target[] = [];
  #compile: (targets: readonly Target[], count: Counter, tagId?: string) => Collect = () => notLinked;
  collect: Collect = notLinked;

  constructor(metrics: OperatorMetrics) {
    this.metrics = metrics;
  }

  /** Outputs are connected from the head of the chain on: a map passes on the counter that it was given. */
  add(target: Target, outputTag: string | undefined): void {
    const { targets, count } =
      outputTag === undefined ? { targets: this.main, count: this.metrics.out } : this.#sideOf(outputTag);
    targets.push(target);
    this.#targets.push(target);
    if (target.kind === 'operator') countInput(target.chained, count); // what is emitted here arrives there
  }

  /** Turns the targets into one function per output. */
  link(uid: string, isGenerated: boolean, turn: Turn, refuse: () => void): void {
    this.#compile = (targets, count, tagId) =>
      compileCollect(
        targets,
        { count, turn, refuse },
        tagId === undefined ? uid : `${uid}/${tagId}`,
        isGenerated,
      );
    this.collect = this.#compile(this.main, this.metrics.out);
    for (const [tagId, side] of this.#side) side.collect = this.#compile(side.targets, side.count, tagId);
  }

  sideOutput(tagId: string, value: unknown, timestamp: number): void {
    this.#sideOf(tagId).collect(value, timestamp);
  }

  /** One that nobody reads is made when it is first emitted to: its records are counted. */
  #sideOf(tagId: string): SideOutput {
    let side = this.#side.get(tagId);
    if (side === undefined) {
      const count = new Counter();
      side = { targets: [], count, collect: this.#compile([], count, tagId) };
      this.#side.set(tagId, side);
      this.metrics.sideOutputs.set(tagId, count);
    }
    return side;
  }

  emitWatermark(timestamp: number): void {
    this.metrics.watermark = timestamp;
    for (const target of this.#targets) {
      if (target.kind === 'operator') processWatermark(target.chained, timestamp);
      else target.writer.broadcast({ type: 'watermark', timestamp });
    }
  }

  emitIdle(isIdle: boolean): void {
    for (const target of this.#targets) {
      if (target.kind === 'operator') target.chained.operator.processIdle(isIdle);
      else target.writer.broadcast({ type: 'idle', isIdle });
    }
  }
}

/** Makes `count` the counter of what `chained` takes in; a map emits as much. */
function countInput(chained: ChainedOperator, count: Counter): void {
  chained.metrics.in = count;
  if (chained.operator.fused?.kind === 'map') chained.metrics.out = count;
}

function notLinked(): never {
  throw new TypeError('an operator emitted a record while it was being made: emit from start() on');
}

export function processWatermark(chained: ChainedOperator, timestamp: number): void {
  chained.metrics.inputWatermark = timestamp;
  try {
    chained.operator.processWatermark(timestamp);
  } catch (error) {
    throw operatorError(error, chained, `handling the watermark ${timestamp}`);
  }
}
