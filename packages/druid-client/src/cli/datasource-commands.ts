/** `datasources` and `segments`. */
import type { DruidClient } from '../druid-client.js';
import { intervalBounds, intervalsOverlap } from '../management/segments.js';
import type { SqlRowOf } from '../sql-columns.js';
import { sql } from '../sql-template.js';
import { UsageError, type Command } from './command.js';
import { bytes, name, number, rowsOf, streamedRowsOf, time, type ListColumn } from './list-columns.js';
import { outputOf, outputOptions } from './output.js';
import { writeRows } from './row-formats.js';

const intervalColumns = {
  datasource: 'string not null',
  start: 'string not null',
  end: 'string not null',
  segments: 'long',
  num_rows: 'long',
  size: 'long',
} as const;

// MIN and MAX of texts are beyond Druid, so the intervals are put together here.
const intervalsSql = `SELECT "datasource", "start", "end", COUNT(*) AS "segments", SUM("num_rows") AS "num_rows", SUM("size") AS "size"
FROM sys.segments WHERE "is_published" = 1 AND "is_overshadowed" = 0 GROUP BY "datasource", "start", "end"`;

interface DatasourceTotal {
  readonly segments: bigint;
  readonly rows: bigint;
  readonly size: bigint;
  readonly start: string;
  readonly end: string;
}

type DatasourceLine = Partial<DatasourceTotal> & {
  readonly name: string;
  readonly loaded: number | undefined;
};

const datasourceColumns: readonly ListColumn<DatasourceLine>[] = [
  name('datasource', (line) => line.name),
  number('segments', ({ segments }) => segments ?? 0),
  number('rows', ({ rows }) => rows),
  bytes('bytes', ({ size }) => size),
  { ...number('loaded', ({ loaded }) => loaded), show: (percent) => `${Number(percent).toFixed(1)}%` },
  time('start', ({ start }) => start),
  time('end', ({ end }) => end),
];

export const datasources: Command = {
  summary: 'lists datasources, with their segments, rows and bytes, and how much of them is loaded',
  operands: '',
  options: { all: { help: 'also those without segments in use' }, ...outputOptions },
  details: `Names and "loaded" (per cent) are the Coordinator's; the rest is of the segments that are published and not
overshadowed, as the Broker knows them, up to a minute late. Replicas are not counted.`,
  prepare(args) {
    args.none();
    const output = outputOf(args);
    const includeUnused = args.flag('all');
    return async ({ druid, io, note }) => {
      const { signal } = io;
      const [names, loaded, totals] = await Promise.all([
        druid.datasources.list({ includeUnused, signal }),
        druid.cluster.loadStatus({ signal }),
        totalsOf(druid, signal),
      ]);
      const lines = names.map((name) => ({ ...totals.get(name), name, loaded: loaded[name] }));
      await writeRows(rowsOf(datasourceColumns, lines), io, output({ io, note }));
      return undefined;
    };
  },
};

async function totalsOf(druid: DruidClient, signal: AbortSignal): Promise<Map<string, DatasourceTotal>> {
  const totals = new Map<string, DatasourceTotal>();
  const options = { columns: intervalColumns, int64: 'bigint', signal } as const;
  for await (const batch of druid.sql.stream(intervalsSql, options)) {
    for (const { datasource, start, end, segments: count, num_rows, size } of batch) {
      const before = totals.get(datasource);
      totals.set(datasource, {
        segments: (before?.segments ?? 0n) + (count ?? 0n),
        rows: (before?.rows ?? 0n) + (num_rows ?? 0n),
        size: (before?.size ?? 0n) + (size ?? 0n),
        start: before === undefined || isEarlier(start, before.start) ? start : before.start,
        end: before === undefined || isEarlier(before.end, end) ? end : before.end,
      });
    }
  }
  return totals;
}

// ISO texts compare as texts, except those of "all time", whose years are longer.
function isEarlier(a: string, b: string): boolean {
  if (a.length === b.length) return a < b;
  return a.startsWith('-') || (a.length < b.length && !b.startsWith('-'));
}

const segmentTypes = {
  datasource: 'string not null',
  start: 'string not null',
  end: 'string not null',
  version: 'string not null',
  partition_num: 'long',
  num_rows: 'long',
  size: 'long',
  num_replicas: 'long',
  is_published: 'boolean',
  is_available: 'boolean',
  is_realtime: 'boolean',
  is_overshadowed: 'boolean',
} as const;

type SegmentLine = SqlRowOf<typeof segmentTypes, 'bigint'>;

const segmentColumns: readonly ListColumn<SegmentLine>[] = [
  name('datasource', ({ datasource }) => datasource),
  time('start', ({ start }) => start),
  time('end', ({ end }) => end),
  { name: 'version', of: ({ version }) => version },
  number('partition', ({ partition_num }) => partition_num),
  number('rows', ({ num_rows }) => num_rows),
  bytes('bytes', ({ size }) => size),
  number('replicas', ({ num_replicas }) => num_replicas),
  { name: 'state', of: stateOf },
];

function stateOf(segment: SegmentLine): string {
  const words = [
    segment.is_available === true ? 'available' : 'unavailable',
    ...(segment.is_published === true ? [] : ['unpublished']),
    ...(segment.is_realtime === true ? ['realtime'] : []),
    ...(segment.is_overshadowed === true ? ['overshadowed'] : []),
  ];
  return words.join(' ');
}

export const segments: Command = {
  summary: 'lists segments, of one datasource or of all',
  operands: '[DATASOURCE]',
  options: {
    interval: { value: 'START/END', help: 'only those that have time in common with it' },
    ...outputOptions,
  },
  details: `They are what the Broker knows (sys.segments), up to a minute late; a datasource that it does not know has none.
Rows are 0 while unknown.`,
  prepare(args) {
    const datasource = args.oneAtMost('datasource');
    const interval = args.text('interval');
    if (interval !== undefined && !isInterval(interval)) {
      throw new UsageError(`--interval is two ISO 8601 times with a slash between them, got ${interval}`);
    }
    const output = outputOf(args);
    return async ({ druid, io, note }) => {
      const names = sql.join(Object.keys(segmentTypes).map((name) => sql.identifier(name)));
      const where = datasource === undefined ? sql.empty : sql`WHERE "datasource" = ${datasource}`;
      const batches = druid.sql.stream(
        sql`SELECT ${names} FROM sys.segments ${where} ORDER BY "datasource", "start", "version", "partition_num"`,
        { columns: segmentTypes, int64: 'bigint', signal: io.signal },
      );
      const wanted = interval === undefined ? batches : within(batches, interval);
      await writeRows(streamedRowsOf(segmentColumns, wanted), io, output({ io, note }));
      return undefined;
    };
  },
};

function isInterval(text: string): boolean {
  try {
    intervalBounds(text);
    return true;
  } catch {
    return false;
  }
}

// Not in SQL: the texts of "all time" lie before and after all others only as times.
async function* within(
  batches: AsyncIterable<readonly SegmentLine[]>,
  interval: string,
): AsyncGenerator<readonly SegmentLine[], void, undefined> {
  for await (const batch of batches) {
    yield batch.filter(({ start, end }) => intervalsOverlap(`${start}/${end}`, interval));
  }
}
