import { StreamConfigError } from '../errors.js';
import { Counter } from './counter.js';
import { WindowedHistogram, type Histogram } from './histogram.js';
import type { MeterClock } from './meter-clock.js';
import type { Meter, MetricGroup, MetricOptions } from './metric-group.js';
import {
  requireName,
  type JobMetricRegistry,
  type MetricType,
  type MetricVariables,
} from './metric-registry.js';
import { Rate } from './rate.js';

class RateMeter implements Meter {
  #count = 0;
  readonly #rate: Rate;

  constructor(createRate: (total: () => number) => Rate) {
    this.#rate = createRate(() => this.#count);
  }

  markEvent(by = 1): void {
    this.#count += by;
  }

  get count(): number {
    return this.#count;
  }

  get rate(): number {
    return this.#rate.perSecond;
  }
}

/** What groups of one job share. */
export interface MetricScope {
  readonly registry: JobMetricRegistry;
  readonly clock: MeterClock;
}

/** A group of the registry. What it and the groups within it have registered goes when it is closed. */
export class ScopedMetricGroup implements MetricGroup {
  readonly variables: MetricVariables;
  readonly #scope: MetricScope;
  readonly #path: string;
  readonly #groups = new Map<string, ScopedMetricGroup>();
  /** What was asked for by name, to be given again. */
  readonly #own = new Map<string, { readonly type: MetricType; readonly metric: unknown }>();
  readonly #removals: (() => void)[] = [];
  /** What a run that was given up still registers is counted for nobody. */
  #isClosed = false;

  constructor(scope: MetricScope, path: string, variables: MetricVariables) {
    this.#scope = scope;
    this.#path = path;
    this.variables = variables;
  }

  counter(name: string, options?: MetricOptions): Counter {
    return this.#once(name, 'counter', () => {
      const counter = new Counter();
      this.#add(name, 'counter', () => counter.value, options);
      return counter;
    });
  }

  meter(name: string, options?: MetricOptions): Meter {
    return this.#once(name, 'meter', () => {
      const meter = new RateMeter((total) => this.#rate(total));
      this.#add(name, 'meter', () => meter.rate, options);
      return meter;
    });
  }

  gauge(name: string, read: () => number | undefined, options?: MetricOptions): void {
    this.#add(name, 'gauge', read, options);
  }

  histogram(name: string, options?: MetricOptions): Histogram {
    return this.#once(name, 'histogram', () => {
      const histogram = new WindowedHistogram(name, this.#scope.clock);
      this.#add(name, 'histogram', () => histogram.count, options, histogram);
      return histogram;
    });
  }

  /** A total that is counted elsewhere. */
  counted(name: string, total: (at: number) => number, description: string): void {
    this.#add(name, 'counter', () => total(this.#scope.clock.read()), { description });
  }

  /** How fast such a total grows. */
  rated(name: string, total: (at: number) => number, description: string): void {
    const rate = this.#rate(total);
    this.#add(name, 'meter', () => rate.perSecond, { description });
  }

  addGroup(key: string, value?: string): ScopedMetricGroup {
    requireName(key, value === undefined ? 'group of metrics' : 'variable of metrics');
    if (value !== undefined && (Object.hasOwn(this.variables, key) || key === 'quantile')) {
      throw new StreamConfigError(`The variable '${key}' is taken. Give the one of addGroup another name.`);
    }
    const id = JSON.stringify([key, value]);
    let group = this.#groups.get(id);
    if (group === undefined) {
      const variables = value === undefined ? this.variables : { ...this.variables, [key]: value };
      group = new ScopedMetricGroup(this.#scope, `${this.#path}_${key}`, variables);
      group.#isClosed = this.#isClosed;
      this.#groups.set(id, group);
    }
    return group;
  }

  close(): void {
    this.#isClosed = true;
    for (const remove of this.#removals.splice(0)) remove();
    for (const group of this.#groups.values()) group.close();
  }

  #rate(total: (at: number) => number): Rate {
    const rate = new Rate(this.#scope.clock, total);
    if (this.#isClosed) return rate;
    this.#removals.push(this.#scope.clock.onSample((at) => rate.sample(at)));
    return rate;
  }

  #add(
    name: string,
    type: MetricType,
    value: () => number | undefined,
    { description = '' }: MetricOptions = {},
    histogram?: Histogram,
  ): void {
    requireName(name, 'metric');
    if (this.#isClosed) return; // invariant 3 of the registry
    const identity = { name: `${this.#path}_${name}`, type, description };
    this.#removals.push(this.#scope.registry.add(identity, { variables: this.variables, value, histogram }));
  }

  #once<M>(name: string, type: MetricType, create: () => M): M {
    const known = this.#own.get(name);
    if (known?.type === type) return known.metric as M;
    const metric = create(); // refused where the name is taken
    this.#own.set(name, { type, metric });
    return metric;
  }
}
