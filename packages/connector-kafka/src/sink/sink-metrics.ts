import type { Counter, MetricGroup } from '@millrace/core-stream';

export interface SinkMetrics {
  readonly bytesOut: Counter;
  readonly requests: Counter;
  readonly retries: Counter;
}

export function createSinkMetrics(metrics: MetricGroup): SinkMetrics {
  return {
    bytesOut: metrics.counter('numBytesOut', {
      description: 'Bytes of acknowledged record batches, compressed.',
    }),
    requests: metrics.counter('produceRequests', {
      description: 'Produce requests that were sent to brokers.',
    }),
    retries: metrics.counter('produceRetries', {
      description: 'Rounds of requests that had to be repeated.',
    }),
  };
}
