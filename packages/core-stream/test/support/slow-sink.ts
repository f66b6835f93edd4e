import type { ExternalSystem, Prepared } from '../../src/testing/index.js';
import { TransactionalSink } from '../../src/testing/index.js';
import type { Sink } from '../../src/index.js';

/** A two-phase sink whose `prepareCommit` waits for what `wait` gives: a task that answers late. */
export function slowSink<T>(system: ExternalSystem<T>, wait: () => Promise<void>): Sink<T, Prepared, never> {
  const sink = new TransactionalSink<T>(system);
  return {
    createCommitter: (context) => sink.createCommitter(context),
    createWriter: (context) => {
      const writer = sink.createWriter(context);
      return {
        write: (value, at) => writer.write(value, at),
        flush: (isEnd) => writer.flush(isEnd),
        prepareCommit: async (checkpointId, isSavepoint) => {
          await wait();
          return (await writer.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
        },
        close: () => writer.close(),
      };
    },
  };
}
