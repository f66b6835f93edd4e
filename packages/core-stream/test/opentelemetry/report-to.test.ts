import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterEach, describe, expect, it } from 'vitest';
import { JobMetrics } from '../../src/metrics/job-metrics.js';
import { reportTo } from '../../src/opentelemetry/index.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

const variables = { job_name: 'orders', operator_name: 'Count', operator_uid: 'count', subtask_index: '0' };

class Telemetry {
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #reader = new PeriodicExportingMetricReader({
    exporter: this.#exporter,
    exportIntervalMillis: 2 ** 31 - 1,
  });
  readonly provider = new MeterProvider({ readers: [this.#reader] });
  readonly meter = this.provider.getMeter('millrace');

  /** What a backend would be sent: value and attributes of each data point, by name. */
  async collect(): Promise<Record<string, (readonly [unknown, unknown])[]>> {
    this.#exporter.reset();
    await this.#reader.forceFlush();
    const metrics = this.#exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return Object.fromEntries(
      metrics.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints.map(({ value, attributes }) => [value, attributes] as const),
      ]),
    );
  }
}

describe('reportTo', () => {
  let telemetry: Telemetry;
  afterEach(() => telemetry.provider.shutdown());

  function createJob(name = 'orders') {
    const clock = new ManualClock();
    const job = new JobMetrics(name, clock, silentLogger);
    const group = job.operatorGroup({ name: 'Count', uid: 'count', subtaskIndex: 0 });
    return { clock, job, group };
  }

  it('registers the metrics that there are, and those to come', async () => {
    telemetry = new Telemetry();
    const { clock, job, group } = createJob();
    const counter = group.counter('rejected', { description: 'Orders without an amount.' });
    counter.inc(3);
    group.gauge('size', () => 1.5);
    reportTo(telemetry.meter, job.registry);
    group.meter('hits').markEvent(50);
    const latency = group.histogram('latency');
    for (let i = 0; i < 10; i++) latency.update(100);
    clock.advance(5_000);
    const collected = await telemetry.collect();
    expect(collected).toMatchObject({
      millrace_operator_rejected: [[3, variables]],
      millrace_operator_size: [[1.5, variables]],
      millrace_operator_hits: [[10, variables]],
      millrace_operator_latency_count: [[10, variables]],
      millrace_operator_latency_sum: [[1000, variables]],
    });
    expect(collected['millrace_operator_latency']).toHaveLength(6);
    expect(collected['millrace_operator_latency']![0]).toEqual([
      expect.closeTo(100, -1),
      { ...variables, quantile: 0.5 },
    ]);
    counter.inc();
    expect(await telemetry.collect()).toMatchObject({ millrace_operator_rejected: [[4, variables]] });
  });

  it('leaves out what is unknown or not finite', async () => {
    telemetry = new Telemetry();
    const { job, group } = createJob();
    group.gauge('unknown', () => undefined);
    group.gauge('watermark', () => Infinity);
    group.gauge('size', () => 1);
    reportTo(telemetry.meter, job.registry);
    const collected = await telemetry.collect();
    expect(collected['millrace_operator_size']).toEqual([[1, variables]]);
    expect(collected['millrace_operator_unknown'] ?? []).toEqual([]);
    expect(collected['millrace_operator_watermark'] ?? []).toEqual([]);
  });

  it('takes several jobs', async () => {
    telemetry = new Telemetry();
    const [orders, users] = [createJob(), createJob('users')];
    for (const { job, group } of [orders, users]) {
      group.counter('seen').inc();
      reportTo(telemetry.meter, job.registry);
    }
    const collected = await telemetry.collect();
    expect(collected['millrace_operator_seen']).toEqual([
      [1, variables],
      [1, { ...variables, job_name: 'users' }],
    ]);
  });

  it('ends when asked to', async () => {
    telemetry = new Telemetry();
    const { job, group } = createJob();
    group.gauge('size', () => 1);
    const stop = reportTo(telemetry.meter, job.registry);
    stop();
    group.gauge('other', () => 1);
    const collected = await telemetry.collect();
    expect(Object.values(collected).flat()).toEqual([]);
  });
});
