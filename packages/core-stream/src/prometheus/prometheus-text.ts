/** Metrics as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4. */
import { StreamConfigError } from '../errors.js';
import type { Metric, MetricFamily, MetricRegistry, MetricVariables } from '../metrics/metric-registry.js';

/** Goes with what `prometheusText` returns. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The metrics of a job, or of several with different names. */
export type MetricSource = MetricRegistry | readonly MetricRegistry[];

/** Flink's. */
const QUANTILES = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999];

/** Meters are rates, which go up and down. */
const TYPES = { counter: 'counter', gauge: 'gauge', meter: 'gauge', histogram: 'summary' } as const;

/**
 * Everything that `source` has, as text. A name is `millrace_`, where the metric belongs (`job`, `task`, `operator`) and what it is
 * called there: `millrace_operator_watermarkLag`; variables are labels. A counter's ends with `_total`, as it does where
 * OpenTelemetry sends it to Prometheus. A histogram is a summary.
 *
 * @throws StreamConfigError `MILLRACE_CONFIG` where two metrics have the same name and labels, or two types, under one name:
 *   Prometheus would refuse the text as a whole
 */
export function prometheusText(source: MetricSource): string {
  const families = new Map<string, MetricFamily[]>();
  for (const registry of 'families' in source ? [source] : source) {
    for (const family of registry.families()) {
      const name = nameOf(family);
      const same = families.get(name) ?? [];
      requireSameType(name, [...same, family]);
      families.set(name, [...same, family]);
    }
  }
  const seen = new Set<string>();
  return Array.from(families, ([name, same]) => familyText(name, same, seen)).join('');
}

function nameOf({ name, type }: MetricFamily): string {
  return `millrace_${name}${type === 'counter' && !name.endsWith('_total') ? '_total' : ''}`;
}

function requireSameType(name: string, [first, ...others]: readonly MetricFamily[]): void {
  const other = others.find(({ type }) => TYPES[type] !== TYPES[first!.type]);
  if (other === undefined) return;
  throw new StreamConfigError(
    `The metric '${name}' is a ${first!.type} and a ${other.type}: '${first!.name}', and '${other.name}' in this or another job. ` +
      'Give one of the two another name.',
  );
}

function familyText(name: string, families: readonly MetricFamily[], seen: Set<string>): string {
  const lines = families.flatMap((family) =>
    [...family.metrics()].flatMap((metric) => samplesOf(name, metric)),
  );
  if (lines.length === 0) return '';
  requireDistinct(lines, seen);
  const { type } = families[0]!;
  const description = families.find((family) => family.description !== '')?.description;
  const help = description === undefined ? '' : `# HELP ${name} ${escapeHelp(description)}\n`;
  const samples = lines.map(({ series, value }) => `${series} ${formatNumber(value)}\n`).join('');
  return `${help}# TYPE ${name} ${TYPES[type]}\n${samples}`;
}

interface SampleLine {
  readonly series: string;
  readonly value: number;
}

function samplesOf(name: string, { variables, value, histogram }: Metric): SampleLine[] {
  if (histogram === undefined) {
    const known = value();
    return known === undefined ? [] : [{ series: name + labels(variables), value: known }];
  }
  const quantiles = histogram.quantiles(QUANTILES).map((quantile, index) => ({
    series: name + labels({ ...variables, quantile: String(QUANTILES[index]) }),
    value: quantile ?? NaN, // what a summary says where it has no values
  }));
  return [
    ...quantiles,
    { series: `${name}_sum${labels(variables)}`, value: histogram.sum },
    { series: `${name}_count${labels(variables)}`, value: histogram.count },
  ];
}

/** Also of families with different names: a histogram has a `_count`, and a gauge can be called so. */
function requireDistinct(lines: readonly SampleLine[], seen: Set<string>): void {
  for (const { series } of lines) {
    if (seen.has(series)) {
      throw new StreamConfigError(
        `The metric ${series} is there twice. Give jobs of one process different names, and metrics of one operator, too.`,
      );
    }
    seen.add(series);
  }
}

function labels(variables: MetricVariables): string {
  const pairs = Object.entries(variables).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
