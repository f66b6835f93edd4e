/**
 * The program as data: nodes and edges, with user functions referenced by node, never called.
 *
 * Building it has no side effects. `plan/` turns it into an execution plan; `runtime/` runs that.
 */
import type { Sink } from '../connectors/sink.js';
import type { Source, SourceSplit } from '../connectors/source.js';
import type { KeySelector, Partitioner } from '../functions/functions.js';
import type { OperatorFactory } from '../operators/operator.js';
import type { StateSchema } from '../state/state-schema.js';
import type { WatermarkStrategy } from '../time/watermark-strategy.js';

/** Record types end at the graph's edge: `DataStream<T>` carries them, nodes do not. */
export type AnySource = Source<unknown, SourceSplit>;
export type AnySink = Sink<unknown>;
/** `schema` is the version of its keys. */
export type AnyKeySelector = KeySelector<unknown, unknown> & { readonly schema?: StateSchema<unknown> };

/** How records get from the subtasks of one node to those of the next. */
export type Partitioning =
  | { readonly type: 'forward' | 'rebalance' | 'rescale' | 'shuffle' | 'broadcast' | 'global' }
  | { readonly type: 'hash'; readonly keySelector: AnyKeySelector }
  | {
      readonly type: 'custom';
      readonly partitioner: Partitioner<unknown>;
      readonly keySelector: AnyKeySelector;
    };

export interface StreamEdge {
  readonly sourceId: number;
  /** `undefined`: partitioning is chosen by the planner (forward where the parallelism is equal, else rebalance). */
  readonly partitioning: Partitioning | undefined;
  /** The id of the side output that this edge reads; the main output otherwise. */
  readonly outputTag: string | undefined;
  /** Which of the node's inputs it feeds: 0 is `processElement`, 1 `processElement2`. A union is several edges of one input. */
  readonly inputIndex: 0 | 1;
}

/** What an operator needs from the program around it, so that the planner can refuse a program without it. */
export interface NodeNeeds {
  /** It works in event time: every source before it needs a watermark strategy. */
  readonly eventTime?: boolean;
  /** The input that batch mode reads to its end before the other: that of a broadcast stream. */
  readonly readFirst?: 0 | 1;
}

/**
 * How a node may be chained to the one it reads: `always` where it can be, `head` begins a chain (what follows may be
 * chained to it), `never` stays alone.
 */
export type ChainingStrategy = 'always' | 'head' | 'never';

export interface SourceSpec {
  readonly kind: 'source';
  readonly source: AnySource;
  readonly watermarks: WatermarkStrategy<unknown>;
}

export interface OperatorSpec {
  readonly kind: 'operator';
  readonly type: string;
  readonly factory: OperatorFactory;
  /** By input, for a keyed operator. */
  readonly keySelectors?: readonly AnyKeySelector[];
  readonly needs?: NodeNeeds;
  /** It replaces timestamps and watermarks by those of this strategy. */
  readonly watermarks?: WatermarkStrategy<unknown>;
}

export interface SinkSpec {
  readonly kind: 'sink';
  readonly sink: AnySink;
}

export type NodeSpec = SourceSpec | OperatorSpec | SinkSpec;

export interface StreamNode {
  readonly id: number;
  readonly spec: NodeSpec;
  readonly inputs: readonly StreamEdge[];
  /** What a person reads in plans and metrics. */
  name: string;
  /** By which state is found again; generated from the node's place in the graph where the program sets none. */
  uid: string | undefined;
  parallelism: number | undefined;
  maxParallelism: number | undefined;
  chaining: ChainingStrategy;
  /** The highest parallelism that the node can have, whatever the environment says. */
  readonly parallelismLimit: number | undefined;
}

export class StreamGraph {
  readonly nodes: StreamNode[] = [];

  add(
    node: Pick<StreamNode, 'spec' | 'inputs' | 'name'> & { readonly parallelismLimit?: number },
  ): StreamNode {
    const added: StreamNode = {
      uid: undefined,
      parallelism: undefined,
      maxParallelism: undefined,
      chaining: 'always',
      ...node,
      parallelismLimit: node.parallelismLimit,
      id: this.nodes.length + 1,
    };
    this.nodes.push(added);
    return added;
  }
}
