import type { PrintTarget } from '../connectors/print-sink.js';
import type { StreamGraph } from '../graph/stream-graph.js';

/** What the streams of one environment share. */
export interface StreamScope {
  readonly graph: StreamGraph;
  readonly printTarget: PrintTarget;
}
