import { Counter, type OperatorMetrics } from '../metrics/operator-metrics.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { compileCollect, type Collect } from './chain-compiler.js';
import { operatorError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import type { Turn } from './turn.js';

/** An operator inside a chain, with what identifies it in errors and metrics. */
export interface ChainedOperator {
  readonly name: string;
  readonly subtaskIndex: number;
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
  collect: Collect = notLinked;

  constructor(metrics: OperatorMetrics) {
    this.metrics = metrics;
  }

  /** Outputs are connected from the head of the chain on: a map passes on the counter that it was given. */
  add(target: Target, outputTag: string | undefined): void {
    let targets = this.main;
    let count = this.metrics.out;
    if (outputTag !== undefined) {
      let side = this.#side.get(outputTag);
      if (side === undefined)
        this.#side.set(outputTag, (side = { targets: [], count: new Counter(), collect: notLinked }));
      ({ targets, count } = side);
    }
    targets.push(target);
    if (target.kind === 'operator') countInput(target.chained, count); // what is emitted here arrives there
  }

  /** Turns the targets into one function per output. */
  link(uid: string, isGenerated: boolean, turn: Turn, refuse: () => void): void {
    const compile = (targets: readonly Target[], count: Counter, name: string) =>
      compileCollect(targets, { count, turn, refuse }, name, isGenerated);
    this.collect = compile(this.main, this.metrics.out, uid);
    for (const [tag, side] of this.#side) side.collect = compile(side.targets, side.count, `${uid}/${tag}`);
  }

  sideOutput(tagId: string, value: unknown, timestamp: number): void {
    const { sideOutputs } = this.metrics;
    sideOutputs.set(tagId, (sideOutputs.get(tagId) ?? 0) + 1);
    this.#side.get(tagId)?.collect(value, timestamp); // nobody may read it; the count says so
  }

  emitWatermark(timestamp: number): void {
    this.metrics.watermark = timestamp;
    for (const target of this.#targets()) {
      if (target.kind === 'operator') processWatermark(target.chained, timestamp);
      else target.writer.broadcast({ type: 'watermark', timestamp });
    }
  }

  emitIdle(isIdle: boolean): void {
    for (const target of this.#targets()) {
      if (target.kind === 'operator') target.chained.operator.processIdle(isIdle);
      else target.writer.broadcast({ type: 'idle', isIdle });
    }
  }

  *#targets(): Iterable<Target> {
    yield* this.main;
    for (const { targets } of this.#side.values()) yield* targets;
  }
}

/** Makes `count` the counter of what `chained` takes in; a map emits as much. */
export function countInput(chained: ChainedOperator, count: Counter): void {
  chained.metrics.in = count;
  if (chained.operator.fused?.kind === 'map') chained.metrics.out = count;
}

function notLinked(): never {
  throw new TypeError('an operator emitted a record while it was being made: emit from open() on');
}

export function processWatermark(chained: ChainedOperator, timestamp: number): void {
  try {
    chained.operator.processWatermark(timestamp);
  } catch (error) {
    throw operatorError(error, chained, `handling the watermark ${timestamp}`);
  }
}
