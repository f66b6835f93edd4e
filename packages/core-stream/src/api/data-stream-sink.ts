import type { StreamNode } from '../graph/stream-graph.js';

/** The end of a stream: only to be named and placed. */
export class DataStreamSink {
  readonly #node: StreamNode;

  constructor(node: StreamNode) {
    this.#node = node;
  }

  /** Names the sink in plans, metrics and errors. */
  name(name: string): this {
    this.#node.name = name;
    return this;
  }

  /** Identifies the sink's state across changes of the program. */
  uid(uid: string): this {
    this.#node.uid = uid;
    return this;
  }

  /** The number of parallel writers; the environment's parallelism unless set. */
  setParallelism(parallelism: number): this {
    this.#node.parallelism = parallelism;
    return this;
  }

  /** Begins a chain here: the sink is not chained to what it reads. */
  startNewChain(): this {
    this.#node.chaining = 'head';
    return this;
  }

  /** Keeps the sink in a task of its own. */
  disableChaining(): this {
    this.#node.chaining = 'never';
    return this;
  }
}
