import type { Counter } from './counter.js';
import type { Histogram } from './histogram.js';

/** Counts events, and tells how fast they come. */
export interface Meter {
  markEvent(by?: number): void;
  /** Events since the start of this run. */
  readonly count: number;
  /** Events per second over the last minute, or since the start of this run where that is less. */
  readonly rate: number;
}

/** What a metric may be given besides its name. */
export interface MetricOptions {
  /** One sentence, for those who read it in their monitoring. */
  readonly description?: string;
}

/**
 * Where a function, source or sink registers metrics of its own, once, when it is made or opened; they are told apart by
 * operator and subtask. They live as long as the run: after a restart they begin anew.
 *
 * Names of metrics and groups are letters, digits and `_`, so that every monitoring system takes them as they are. Within a
 * job a name stands for one type of metric. Asking for a counter, meter or histogram again gives the same one.
 *
 * @example
 * stream.keyBy((order) => order.user).process((context) => {
 *   const rejected = context.metrics.counter('rejected');
 *   return {
 *     processElement(order, _context, out) {
 *       if (order.amount > 0) out.collect(order);
 *       else rejected.inc();
 *     },
 *   };
 * });
 */
export interface MetricGroup {
  /** What tells this group's metrics from others of the same name: operator, subtask, and what `addGroup` has added. */
  readonly variables: Readonly<Record<string, string>>;
  /** @throws StreamConfigError `MILLRACE_CONFIG` for a bad name, or one that is taken; so do all of these */
  counter(name: string, options?: MetricOptions): Counter;
  meter(name: string, options?: MetricOptions): Meter;
  /** `read` is called by reporters, never by records. `undefined`: there is nothing to tell now. */
  gauge(name: string, read: () => number | undefined, options?: MetricOptions): void;
  histogram(name: string, options?: MetricOptions): Histogram;
  /**
   * A group within this one: `name` becomes part of its metrics' names. With a `value` it becomes a variable, too: one group
   * per value, so there must not be many.
   */
  addGroup(name: string, value?: string): MetricGroup;
}
