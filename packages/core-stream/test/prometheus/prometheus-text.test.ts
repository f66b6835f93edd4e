import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobMetrics } from '../../src/metrics/job-metrics.js';
import { prometheusHandler, prometheusText, PROMETHEUS_CONTENT_TYPE } from '../../src/prometheus/index.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { parsePrometheus } from '../support/prometheus-parser.js';

function createJob(name = 'orders') {
  const clock = new ManualClock();
  const job = new JobMetrics(name, clock, silentLogger);
  const group = job.operatorGroup({ name: 'Count', uid: 'count', subtaskIndex: 0 });
  return { clock, group, registry: job.registry };
}

const labels = 'job_name=orders,operator_name=Count,operator_uid=count,subtask_index=0';

describe('prometheusText', () => {
  it('writes each type as Prometheus knows it', () => {
    const { clock, group, registry } = createJob();
    group.counter('rejected', { description: 'Orders without an amount.' }).inc(3);
    group.gauge('size', () => 1.5);
    group.gauge('unknown', () => undefined);
    group.meter('hits').markEvent(50);
    const latency = group.histogram('latency');
    for (let i = 1; i <= 1000; i++) latency.update(i);
    clock.advance(5_000);
    const families = parsePrometheus(prometheusText(registry));
    expect(families).toMatchObject({
      millrace_operator_rejected_total: {
        type: 'counter',
        help: 'Orders without an amount.',
        samples: { [`millrace_operator_rejected_total{${labels}}`]: 3 },
      },
      millrace_operator_size: { type: 'gauge', samples: { [`millrace_operator_size{${labels}}`]: 1.5 } },
      millrace_operator_hits: { type: 'gauge', samples: { [`millrace_operator_hits{${labels}}`]: 10 } },
    });
    expect(families).not.toHaveProperty('millrace_operator_unknown');
    const { type, samples } = families['millrace_operator_latency']!;
    expect(type).toBe('summary');
    expect(samples[`millrace_operator_latency_count{${labels}}`]).toBe(1000);
    expect(samples[`millrace_operator_latency_sum{${labels}}`]).toBe(500_500);
    const quantile = (rank: number) => samples[`millrace_operator_latency{${labels},quantile=${rank}}`]!;
    for (const rank of [0.5, 0.75, 0.95, 0.98, 0.99, 0.999]) {
      expect(Math.abs(quantile(rank) - rank * 1000)).toBeLessThan(rank * 11);
    }
  });

  it('writes values that are not finite, and quantiles of nothing', () => {
    const { group, registry } = createJob();
    for (const [name, value] of [
      ['top', Infinity],
      ['bottom', -Infinity],
      ['big', 1e300],
      ['small', 1e-300],
    ] as const)
      group.gauge(name, () => value);
    group.histogram('latency');
    const families = parsePrometheus(prometheusText(registry));
    const of = (name: string) =>
      families[`millrace_operator_${name}`]!.samples[`millrace_operator_${name}{${labels}}`];
    expect(['top', 'bottom', 'big', 'small'].map(of)).toEqual([Infinity, -Infinity, 1e300, 1e-300]);
    expect(families['millrace_operator_latency']!.samples).toMatchObject({
      [`millrace_operator_latency{${labels},quantile=0.5}`]: NaN,
      [`millrace_operator_latency_count{${labels}}`]: 0,
    });
  });

  it('keeps any label value and description readable', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (value, description) => {
        const { group, registry } = createJob();
        group.addGroup('table', value).counter('hits', { description: `x${description}` });
        const family = parsePrometheus(prometheusText(registry))['millrace_operator_table_hits_total']!;
        expect(Object.keys(family.samples)).toEqual([
          `millrace_operator_table_hits_total{${labels},table=${value}}`,
        ]);
        expect(family.help).toBe(`x${description}`);
      }),
    );
  });

  it('puts several jobs into one text, and refuses what Prometheus would refuse', () => {
    const orders = createJob();
    const users = createJob('users');
    orders.group.counter('seen').inc();
    users.group.counter('seen').inc(2);
    const { samples } = parsePrometheus(prometheusText([orders.registry, users.registry]))[
      'millrace_operator_seen_total'
    ]!;
    expect(Object.values(samples)).toEqual([1, 2]);
    expect(() => prometheusText([orders.registry, orders.registry])).toThrow(
      /millrace_operator_seen_total\{job_name="orders",.*\} is there twice. Give jobs of one process different names/,
    );
    orders.group.meter('state');
    users.group.histogram('state');
    expect(() => prometheusText([orders.registry, users.registry])).toThrow(
      "The metric 'millrace_operator_state' is a meter and a histogram: 'operator_state', and 'operator_state' in this or another job.",
    );
  });

  it('refuses names that Prometheus would not tell apart', () => {
    const { group, registry } = createJob();
    group.counter('hits_total').inc(2);
    expect(prometheusText(registry)).toContain('millrace_operator_hits_total{');
    group.counter('hits');
    expect(() => prometheusText(registry)).toThrow('is there twice');
    const other = createJob();
    other.group.histogram('latency');
    other.group.gauge('latency_count', () => 1);
    expect(() => prometheusText(other.registry)).toThrow('is there twice');
    const third = createJob();
    third.group.gauge('hits_total', () => 1);
    third.group.counter('hits');
    expect(() => prometheusText(third.registry)).toThrow("is a gauge and a counter: 'operator_hits_total'");
  });

  it('is empty without metrics', () => {
    expect(prometheusText([])).toBe('');
  });
});

describe('prometheusHandler', () => {
  it('answers GET and HEAD, and says what is wrong', async () => {
    const { group, registry } = createJob();
    group.counter('seen').inc();
    const sources = [registry];
    const server = createServer(prometheusHandler(sources));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
    try {
      const got = await fetch(url);
      expect([got.status, got.headers.get('content-type')]).toEqual([200, PROMETHEUS_CONTENT_TYPE]);
      expect(await got.text()).toBe(prometheusText(registry));
      const head = await fetch(url, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
      expect((await fetch(url, { method: 'POST' })).status).toBe(405);
      sources.push(registry);
      const wrong = await fetch(url);
      expect([wrong.status, await wrong.text()]).toEqual([500, expect.stringContaining('is there twice')]);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
