/** Metrics as OpenTelemetry's observable instruments: its SDK reads them when it collects. */
import type { Attributes, Meter, Observable, ObservableResult } from '@opentelemetry/api';
import type { Metric, MetricFamily, MetricRegistry } from '../metrics/metric-registry.js';

const QUANTILES = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999];

/**
 * Registers every metric of `registry`, and those that are still to come, with `meter`. Names are Prometheus',
 * without the `_total` of counters: `millrace_operator_numRecordsIn`; variables are attributes. Values that are not finite (a watermark after the end of the
 * input) are left out. A histogram becomes a gauge per quantile, with `_count` and `_sum` next to it: observable instruments
 * know no distributions.
 *
 * Returns a function that ends this.
 *
 * @example
 * const stop = reportTo(metrics.getMeter('millrace'), client.metrics);
 */
export function reportTo(meter: Meter, registry: MetricRegistry): () => void {
  const stops: (() => void)[] = [];
  const observe = (
    instrument: Observable,
    family: MetricFamily,
    read: (metric: Metric) => Iterable<readonly [number | undefined, Attributes?]>,
  ) => {
    const callback = (result: ObservableResult) => {
      for (const metric of family.metrics()) {
        for (const [value, attributes] of read(metric)) {
          if (value === undefined || !Number.isFinite(value)) continue;
          result.observe(value, { ...metric.variables, ...attributes });
        }
      }
    };
    instrument.addCallback(callback);
    stops.push(() => instrument.removeCallback(callback));
  };
  const stopListening = registry.onFamily((family) => {
    const name = `millrace_${family.name}`;
    const { description } = family;
    switch (family.type) {
      case 'counter':
        observe(meter.createObservableCounter(name, { description }), family, ({ value }) => [[value()]]);
        break;
      case 'gauge':
      case 'meter':
        observe(meter.createObservableGauge(name, { description }), family, ({ value }) => [[value()]]);
        break;
      case 'histogram':
        observe(meter.createObservableGauge(name, { description }), family, quantilesOf);
        observe(meter.createObservableCounter(`${name}_count`), family, ({ value }) => [[value()]]);
        observe(meter.createObservableUpDownCounter(`${name}_sum`), family, ({ histogram }) => [
          [histogram?.sum],
        ]);
        break;
    }
  });
  return () => {
    stopListening();
    for (const stop of stops) stop();
  };
}

function quantilesOf({ histogram }: Metric): [number | undefined, Attributes][] {
  const values = histogram?.quantiles(QUANTILES) ?? [];
  return values.map((value, index) => [value, { quantile: QUANTILES[index]! }]);
}
