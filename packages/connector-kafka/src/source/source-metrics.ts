import type { Counter, MetricGroup } from '@millrace/core-stream';

export interface SourceMetrics {
  readonly bytesIn: Counter;
  readonly fetches: Counter;
  readonly retries: Counter;
  /** Registers how far a partition is behind its end. */
  lag(splitId: string, read: () => number | undefined): void;
}

export function createSourceMetrics(metrics: MetricGroup): SourceMetrics {
  return {
    bytesIn: metrics.counter('numBytesIn', { description: 'Bytes of fetched record batches, compressed.' }),
    fetches: metrics.counter('fetches', { description: 'Answered fetch requests.' }),
    retries: metrics.counter('fetchRetries', {
      description: 'Partitions whose leader had to be looked up again.',
    }),
    lag: (splitId, read) =>
      metrics.addGroup('partition', splitId).gauge('recordsLag', read, {
        description: 'Records between the position and the end of the partition.',
      }),
  };
}
