/**
 * The metrics of a job, for reporters to read.
 *
 * Role: knows every metric by name and variables. Boundary: nothing is computed or sent here; reporters pull.
 *
 * Invariants
 * 1. A name has one type, and no two metrics have the same name and variables: every monitoring system can take them.
 * 2. A gauge that throws, or gives no number, is left out and logged once: it fails neither the job nor the other metrics.
 * 3. When a run begins, the metrics of the run before are gone; what is left of that run can register no more.
 */
import { StreamConfigError } from '../errors.js';
import { describeValue, messageOf } from '../runtime/describe-value.js';
import type { Logger } from '../runtime/logger.js';
import type { Histogram } from './histogram.js';

/** What tells metrics of the same name apart. */
export type MetricVariables = Readonly<Record<string, string>>;

/** Counters only grow within a run; gauges go up and down; meters are rates per second. */
export type MetricType = 'counter' | 'gauge' | 'meter' | 'histogram';

/** One metric of one subtask, for example. */
export interface Metric {
  readonly variables: MetricVariables;
  /** As it stands, of a histogram the number of values; `undefined` where there is nothing to tell. */
  readonly value: () => number | undefined;
  /** Where it is one. */
  readonly histogram: Histogram | undefined;
}

/** What all metrics of one name have in common. */
export interface MetricIdentity {
  /** Where it belongs and what it is: `operator_numRecordsIn`. */
  readonly name: string;
  readonly type: MetricType;
  /** One sentence, or empty. */
  readonly description: string;
}

/** All metrics of one name. */
export interface MetricFamily extends MetricIdentity {
  metrics(): Iterable<Metric>;
}

/** What reporters read: `JobClient.metrics`. */
export interface MetricRegistry {
  /** In the order in which they were registered. Reading is what costs; a job that nobody asks only counts. */
  families(): Iterable<MetricFamily>;
  /** Calls `listener` with each family, those that there are and those to come. Returns a function that ends this. */
  onFamily(listener: (family: MetricFamily) => void): () => void;
  /**
   * The value of one metric: of the first one with this name and these variables. For tests, and for programs that look at
   * themselves.
   */
  value(name: string, variables?: MetricVariables): number | undefined;
}

/** Letters, digits and underscores: what Prometheus and OpenTelemetry both take. */
const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

export function requireName(name: string, what: string): void {
  if (typeof name === 'string' && NAME.test(name)) return;
  throw new StreamConfigError(
    `The name of a ${what} is letters, digits and '_', beginning with a letter, got '${String(name)}'. ` +
      'What varies goes into the value of a variable: addGroup(name, value).',
  );
}

class Family implements MetricFamily {
  readonly name: string;
  readonly type: MetricType;
  readonly description: string;
  /** By variables. */
  readonly byVariables = new Map<string, Metric>();

  constructor({ name, type, description }: MetricIdentity) {
    this.name = name;
    this.type = type;
    this.description = description;
  }

  metrics(): Iterable<Metric> {
    return this.byVariables.values();
  }
}

export class JobMetricRegistry implements MetricRegistry {
  readonly #logger: Logger;
  readonly #families = new Map<string, Family>();
  readonly #listeners = new Set<(family: MetricFamily) => void>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  families(): Iterable<MetricFamily> {
    return this.#families.values();
  }

  onFamily(listener: (family: MetricFamily) => void): () => void {
    for (const family of this.#families.values()) listener(family);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  value(name: string, variables: MetricVariables = {}): number | undefined {
    for (const metric of this.#families.get(name)?.metrics() ?? []) {
      const isMeant = Object.entries(variables).every(([key, value]) => metric.variables[key] === value);
      if (isMeant) return metric.value();
    }
    return undefined;
  }

  /** Returns a function that removes the metric again (invariant 3). */
  add(identity: MetricIdentity, metric: Metric): () => void {
    const { byVariables } = this.#family(identity);
    const key = JSON.stringify(metric.variables);
    if (byVariables.has(key)) {
      throw new StreamConfigError(
        `The metric '${identity.name}' is there already, with the variables ${key}. Give one of the two another name, or a group of its own.`,
      );
    }
    byVariables.set(key, identity.type === 'gauge' ? this.#guarded(identity.name, metric) : metric);
    return () => void byVariables.delete(key);
  }

  /** Invariant 1. */
  #family(identity: MetricIdentity): Family {
    const known = this.#families.get(identity.name);
    if (known !== undefined) {
      if (known.type === identity.type) return known;
      throw new StreamConfigError(
        `The metric '${identity.name}' is a ${known.type} elsewhere in this job, and a ${identity.type} here. Give one of the two another name.`,
      );
    }
    const family = new Family(identity);
    this.#families.set(identity.name, family);
    for (const listener of this.#listeners) listener(family);
    return family;
  }

  /** Invariant 2. */
  #guarded(name: string, gauge: Metric): Metric {
    let hasFailed = false;
    return {
      ...gauge,
      value: () => {
        try {
          const value: unknown = gauge.value();
          if (value === undefined || typeof value === 'number') return value;
          throw new Error(`it gave ${describeValue(value)}, which is no number`);
        } catch (error) {
          if (!hasFailed) {
            this.#logger.warn('a gauge failed', {
              metric: name,
              ...gauge.variables,
              error: messageOf(error),
            });
          }
          hasFailed = true;
          return undefined;
        }
      },
    };
  }
}
