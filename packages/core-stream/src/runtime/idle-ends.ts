/** What sources and sinks have in a start that is refused already, and goes on only to find what else is different. */
import type { SourceReader, SourceSplit } from '../connectors/source.js';
import type { SinkWriter } from '../connectors/sink.js';

/** Reads nothing. */
export const idleReader: SourceReader<unknown, SourceSplit> = {
  start: () => undefined,
  pollNext: () => 'wait',
  isAvailable: () => new Promise(() => undefined),
  addSplits: () => undefined,
  notifyNoMoreSplits: () => undefined,
  snapshotState: () => [],
};

/** Is given nothing. */
export const idleWriter: SinkWriter<unknown> = {
  write: () => undefined,
  flush: () => undefined,
  close: () => undefined,
};
