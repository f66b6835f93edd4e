import type { Counter, Histogram, MetricGroup } from '@millrace/core-stream';

/** What a lookup counts in the group of the subtask that it runs in, as `lookup_…`. */
export interface LookupMetrics {
  readonly hits: Counter;
  readonly misses: Counter;
  readonly shared: Counter;
  readonly unmatched: Counter;
  readonly queries: Counter;
  readonly failedQueries: Counter;
  readonly keysAsked: Counter;
  readonly rowsRead: Counter;
  readonly queryMs: Histogram;
  readonly keysPerQuery: Histogram;
}

/** What metrics read when they are reported. */
export interface LookupLevels {
  readonly cachedRows: () => number;
  readonly evictions: () => number;
  readonly waitingKeys: () => number;
  readonly runningQueries: () => number;
}

export function lookupMetrics(parent: MetricGroup, levels: LookupLevels): LookupMetrics {
  const group = parent.addGroup('lookup');
  const counter = (name: string, description: string) => group.counter(name, { description });
  const gauge = (name: string, read: () => number, description: string) =>
    group.gauge(name, read, { description });
  gauge('cachedRows', levels.cachedRows, 'Rows in the cache; a key without rows counts as one.');
  gauge('evictions', levels.evictions, 'Cached keys that had to make room for others.');
  gauge('waitingKeys', levels.waitingKeys, 'Keys that wait for their query.');
  gauge('runningQueries', levels.runningQueries, 'Queries that are under way.');
  return {
    hits: counter('hits', 'Records that the cache answered.'),
    misses: counter('misses', 'Records that the cache could not answer.'),
    shared: counter('shared', 'Misses whose key was being asked for already.'),
    unmatched: counter('unmatched', 'Records for which there was no row.'),
    queries: counter('queries', 'Queries begun.'),
    failedQueries: counter('failedQueries', 'Queries that failed for good.'),
    keysAsked: counter('keysAsked', 'Keys asked for.'),
    rowsRead: counter('rowsRead', 'Rows that queries brought.'),
    queryMs: group.histogram('queryMs', { description: 'Milliseconds that queries took.' }),
    keysPerQuery: group.histogram('keysPerQuery', { description: 'Keys per query.' }),
  };
}
