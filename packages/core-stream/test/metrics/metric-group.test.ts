import { describe, expect, it } from 'vitest';
import type { LogFields } from '../../src/index.js';
import { JobMetrics } from '../../src/metrics/job-metrics.js';
import type { Metric } from '../../src/metrics/metric-registry.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

function createJob() {
  const clock = new ManualClock();
  const warnings: [string, LogFields | undefined][] = [];
  const logger = {
    ...silentLogger,
    warn: (message: string, fields?: LogFields) => void warnings.push([message, fields]),
  };
  const job = new JobMetrics('orders', clock, logger);
  const group = job.operatorGroup({ name: 'Count', uid: 'count', subtaskIndex: 1 });
  return { clock, warnings, job, group, registry: job.registry };
}

describe('a metric group', () => {
  it('gives counters, meters, gauges and histograms that the registry reads', () => {
    const { clock, job, group, registry } = createJob();
    group.counter('rejected').inc();
    group.counter('rejected').inc(2);
    let size = 7;
    group.gauge('size', () => size);
    const meter = group.meter('hits');
    meter.markEvent();
    meter.markEvent(9);
    const histogram = group.histogram('latency');
    histogram.update(10);
    histogram.update(20);
    clock.advance(5_000);
    size = 8;
    expect(registry.value('operator_rejected')).toBe(3);
    expect(registry.value('operator_size')).toBe(8);
    expect(registry.value('operator_hits')).toBe(2);
    expect(meter.count).toBe(10);
    expect(registry.value('operator_latency')).toBe(2);
    expect(histogram.sum).toBe(30);
    job.startRun();
    expect(registry.value('operator_rejected')).toBeUndefined();
  });

  it('tells its metrics apart by operator, subtask and own variables', () => {
    const { group, registry } = createJob();
    group.addGroup('cache').counter('hits').inc();
    group.addGroup('table', 'users').counter('hits').inc(2);
    group.addGroup('table', 'orders').counter('hits').inc(3);
    expect(group.addGroup('table', 'orders').counter('hits').value).toBe(3);
    const of = { job_name: 'orders', operator_name: 'Count', operator_uid: 'count', subtask_index: '1' };
    expect(group.variables).toEqual(of);
    expect(registry.value('operator_cache_hits', of)).toBe(1);
    expect(registry.value('operator_table_hits', { ...of, table: 'users' })).toBe(2);
    expect(registry.value('operator_table_hits', { table: 'orders' })).toBe(3);
    expect(registry.value('operator_table_hits', { table: 'others' })).toBeUndefined();
  });

  it.each(['', 'a-b', '1st', 'a b', 'é'])("refuses the name '%s'", (name) => {
    const { group } = createJob();
    expect(() => group.counter(name)).toThrow(/The name of a metric is letters, digits and '_'.*got '/);
    expect(() => group.addGroup(name)).toThrow(/The name of a group of metrics/);
    expect(() => group.addGroup(name, 'x')).toThrow(/The name of a variable of metrics/);
  });

  it('refuses a name with two types, also in another group, and a name twice (invariant 1)', () => {
    const { job, group } = createJob();
    const other = job.operatorGroup({ name: 'Other', uid: 'other', subtaskIndex: 0 });
    group.counter('events');
    expect(() => other.gauge('events', () => 1)).toThrow(
      "The metric 'operator_events' is a counter elsewhere in this job, and a gauge here.",
    );
    expect(() => group.meter('events')).toThrow(/is a counter elsewhere/);
    group.gauge('size', () => 1);
    expect(() => group.gauge('size', () => 2)).toThrow(/'operator_size' is there already/);
    group.addGroup('a').counter('b_c');
    expect(() => group.addGroup('a_b').counter('c')).toThrow(/'operator_a_b_c' is there already/);
  });

  it("refuses a function's counter that has the name of one of the engine's", () => {
    const { group } = createJob();
    group.counted('numRecordsIn', () => 5, '');
    expect(() => group.counter('numRecordsIn')).toThrow(/is there already/);
  });

  it.each(['operator_name', 'subtask_index', 'quantile'])(
    "refuses the variable '%s', which is taken",
    (key) => {
      const { group } = createJob();
      expect(() => group.addGroup(key, 'x')).toThrow(`The variable '${key}' is taken.`);
      expect(() => group.addGroup('table', 'a').addGroup('table', 'b')).toThrow(
        "The variable 'table' is taken.",
      );
    },
  );

  it('leaves out a gauge that throws, and logs it once (invariant 2)', () => {
    const { group, registry, warnings } = createJob();
    group.gauge('broken', () => {
      throw new Error('no connection');
    });
    group.gauge('fine', () => 1);
    for (let i = 0; i < 3; i++) expect(registry.value('operator_broken')).toBeUndefined();
    expect(registry.value('operator_fine')).toBe(1);
    expect(warnings).toEqual([
      ['a gauge failed', { metric: 'operator_broken', ...group.variables, error: 'no connection' }],
    ]);
  });

  it('leaves out a gauge that gives no number, and logs it once (invariant 2)', () => {
    const { group, registry, warnings } = createJob();
    for (const [name, value] of [
      ['text', '1'],
      ['big', 1n],
      ['flag', true],
      ['nothing', null],
    ] as const) {
      group.gauge(name, () => value as never);
      for (let i = 0; i < 2; i++) expect(registry.value(`operator_${name}`)).toBeUndefined();
    }
    expect(warnings.map(([, fields]) => fields?.['error'])).toEqual(
      ['"1"', '"1n"', 'true', 'null'].map((value) => `it gave ${value}, which is no number`),
    );
  });

  it('registers nothing more when its run is over (invariant 3)', () => {
    const { clock, job, group, registry } = createJob();
    group.counter('seen').inc();
    job.startRun();
    for (const late of [group, group.addGroup('late'), group.addGroup('table', 'x')]) {
      late.counter('again').inc();
      late.meter('rate').markEvent();
      late.gauge('size', () => 1);
      late.histogram('latency').update(1);
    }
    clock.advance(10_000);
    expect([...registry.families()].flatMap((family) => [...family.metrics()])).toEqual([]);
    const next = job.operatorGroup({ name: 'Count', uid: 'count', subtaskIndex: 1 });
    next.counter('again').inc(7);
    expect(registry.value('operator_again')).toBe(7);
  });

  it('tells of families, those that are there and those to come', () => {
    const { group, registry } = createJob();
    group.counter('first', { description: 'One.' });
    const seen: string[] = [];
    const stop = registry.onFamily(({ name, type, description }) => {
      seen.push(`${name} ${type} ${description}`);
    });
    group.addGroup('table', 'a').meter('second');
    group.addGroup('table', 'b').meter('second');
    stop();
    group.counter('third');
    expect(seen).toEqual(['operator_first counter One.', 'operator_table_second meter ']);
  });

  it('takes away the metrics of a run when the next one begins (invariant 3)', () => {
    const { job, group, registry } = createJob();
    group.counter('seen').inc(5);
    group.addGroup('deep').meter('rate');
    job.job.counter('kept').inc();
    job.startRun();
    const left = [...registry.families()].flatMap((family) => [...family.metrics()]) satisfies Metric[];
    expect(left.map(({ value }) => value())).toEqual([1]);
    const again = job.operatorGroup({ name: 'Count', uid: 'count', subtaskIndex: 1 });
    again.counter('seen').inc();
    expect(registry.value('operator_seen')).toBe(1);
  });
});

describe('a histogram', () => {
  it('forgets values after one to two minutes, not how many there were', () => {
    const { clock, group } = createJob();
    const histogram = group.histogram('latency');
    const median = () => histogram.quantiles([0.5])[0];
    histogram.update(100);
    clock.advance(60_000);
    expect(median()).toBeCloseTo(100, -1);
    histogram.update(1);
    histogram.update(1);
    expect(median()).toBeCloseTo(1, 1);
    clock.advance(60_000);
    expect(histogram.quantiles([1])[0]).toBeCloseTo(1, 1);
    clock.advance(60_000);
    expect(median()).toBeUndefined();
    histogram.update(5);
    clock.advance(1_000_000);
    expect(median()).toBeUndefined();
    expect(histogram.count).toBe(4);
    expect(histogram.sum).toBe(107);
  });

  it.each([NaN, Infinity, -Infinity])('refuses %s', (value) => {
    const { group } = createJob();
    expect(() => group.histogram('latency').update(value)).toThrow(
      `The histogram 'latency' was given ${value}. Update it with finite numbers only.`,
    );
  });
});
