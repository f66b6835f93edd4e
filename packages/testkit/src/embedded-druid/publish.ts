/** Cuts staged rows into segments and writes them: rollup, versions, partition numbers, replacement and append. */

import { type Catalog, DUCKDB_TYPE } from './catalog.js';
import { bucketFrom, bucketSql, bucketStart } from './granularity.js';
import type { IngestionSpec, MetricSpec } from './ingestion-spec.js';
import type { StagedRows } from './staging.js';
import { type Connection, quoted } from './store.js';
import { type Interval, intervalText, isoTime } from './time-text.js';
import { type ColumnDef, intersect, type Segment } from './timeline.js';

/** The rows of one time chunk. */
interface Chunk {
  bucket: number;
  rows: number;
  interval: Interval;
  version: string;
  firstPartition: number;
}

/** What a task is about to publish; becomes visible with {@link Catalog.publish} after the commit. */
export interface Publication {
  segments: Segment[];
  newTable: { name: string; dataSource: string; columns: ColumnDef[] } | undefined;
}

/** Rows that are typed, truncated and rolled up, and how many were outside `intervals`. */
export interface PreparedRows {
  table: string;
  columns: ColumnDef[];
  thrownAway: number;
}

/** Applies `intervals`, the query granularity and rollup; the result has `t` and the final columns `c0`, `c1`… */
export async function prepareRows(
  connection: Connection,
  spec: IngestionSpec,
  staged: StagedRows,
  table: string,
): Promise<PreparedRows> {
  const metrics = [...spec.metrics].sort((a, b) => (a.name < b.name ? -1 : 1));
  const columns = [
    ...spec.dimensions.map(({ name, type }): ColumnDef => ({ name, type })),
    ...metrics.map(({ name, type }): ColumnDef => ({ name, type })),
  ];
  const inside =
    spec.intervals.map(({ start, end }) => `(t >= ${start} AND t < ${end})`).join(' OR ') || 'true';
  const time = bucketSql('t', spec.queryGranularity, 0);
  const dimensions = spec.dimensions.map((_, index) => `f${index} AS c${index}`);
  const aggregates = metrics.map(
    (metric, index) => `${metricSql(metric, staged, spec.rollup)} AS c${dimensions.length + index}`,
  );
  const select = [`${time} AS t`, ...dimensions, ...aggregates].join(', ');
  const keys = ['1', ...spec.dimensions.map((_, index) => String(index + 2))].join(', ');
  await connection.run(`DROP TABLE IF EXISTS ${table}`);
  await connection.run(
    `CREATE TEMP TABLE ${table} AS SELECT ${select} FROM ${staged.table} WHERE ${inside}
     ${spec.rollup ? `GROUP BY ${keys} ORDER BY ${keys}` : ''}`,
  );
  if (spec.intervals.length === 0) return { table, columns, thrownAway: 0 };
  const counted = await connection.runAndReadAll(
    `SELECT count(*) FROM ${staged.table} WHERE NOT (${inside})`,
  );
  return { table, columns, thrownAway: Number(counted.getRows()[0]?.[0]) };
}

function metricSql(metric: MetricSpec, staged: StagedRows, rollup: boolean): string {
  if (metric.kind === 'count') return rollup ? 'count(*)' : 'CAST(1 AS BIGINT)';
  const wanted = metric.type === 'FLOAT' ? 'DOUBLE' : metric.type;
  const index = staged.fields.findIndex(
    ({ field, type, role }) => role === 'metric' && field === metric.field && type === wanted,
  );
  const value = rollup ? `${metric.kind}(f${index})` : `f${index}`;
  return `CAST(${value} AS ${DUCKDB_TYPE[metric.type]})`;
}

/**
 * Writes prepared rows as segments. Must run inside the transaction that also ends the task.
 *
 * Replacing gives every touched chunk a newer version; appending continues the version of the chunk that is there.
 */
export async function writeSegments(
  connection: Connection,
  catalog: Catalog,
  spec: IngestionSpec,
  rows: PreparedRows,
  nowMs: number,
): Promise<Publication> {
  const version = nextVersion(catalog, spec.dataSource, nowMs);
  const chunks = await planChunks(connection, catalog, spec, rows.table, version);
  const segments = spec.dropExisting ? tombstones(catalog, spec, chunks, version, nowMs) : [];
  if (chunks.length === 0)
    return { segments: await recordSegments(connection, segments), newTable: undefined };
  const known = catalog.tableFor(spec.dataSource, rows.columns);
  const table = known ?? { name: catalog.newTableName(), dataSource: spec.dataSource, columns: rows.columns };
  if (!known) await createTable(connection, table);

  let no = catalog.lastSegmentNo + segments.length + 1;
  for (const chunk of chunks) {
    const partitions = Math.ceil(chunk.rows / spec.maxRowsPerSegment);
    for (let index = 0; index < partitions; index += 1) {
      segments.push({
        no,
        dataSource: spec.dataSource,
        interval: chunk.interval,
        version: chunk.version,
        partition: chunk.firstPartition + index,
        corePartitions: spec.append ? 0 : partitions,
        kind: 'numbered',
        rows: 0,
        sizeBytes: 0,
        dimensions: spec.dimensions.map(({ name }) => name),
        metrics: spec.metrics.map(({ name }) => name),
        columns: rows.columns,
        table: table.name,
        minTime: 0,
        maxTime: 0,
        createdMs: nowMs,
      });
      no += 1;
    }
  }
  const written = segments.filter(({ kind }) => kind === 'numbered');
  await insertRows(connection, spec, rows, table.name, chunks, written);
  await measure(connection, table.name, written, rows.columns.length);
  return { segments: await recordSegments(connection, segments), newTable: known ? undefined : table };
}

/** A version newer than all that the datasource has, also when the clock stands still. */
function nextVersion(catalog: Catalog, dataSource: string, nowMs: number): string {
  const newest = (catalog.find(dataSource)?.segments ?? []).reduce(
    (max, { version }) => Math.max(max, Date.parse(version)),
    -1,
  );
  return isoTime(Math.max(nowMs, newest + 1));
}

async function planChunks(
  connection: Connection,
  catalog: Catalog,
  spec: IngestionSpec,
  table: string,
  version: string,
): Promise<Chunk[]> {
  const bucket = bucketSql('t', spec.segmentGranularity);
  const result = await connection.runAndReadAll(
    `SELECT ${bucket} AS b, count(*) FROM ${table} GROUP BY 1 ORDER BY 1`,
  );
  const taken = new Map<string, number>();
  return result.getRows().map(([start, rows]) => {
    const own = bucketFrom(Number(start), spec.segmentGranularity);
    const base = { bucket: Number(start), rows: Number(rows) };
    const existing = spec.append ? existingChunk(catalog, spec.dataSource, own) : undefined;
    if (!existing) return { ...base, interval: own, version, firstPartition: 0 };
    const key = `${intervalText(existing.interval)} ${existing.version}`;
    const firstPartition = taken.get(key) ?? existing.firstPartition;
    taken.set(key, firstPartition + Math.ceil(base.rows / spec.maxRowsPerSegment));
    return { ...base, ...existing, firstPartition };
  });
}

function existingChunk(
  catalog: Catalog,
  dataSource: string,
  wanted: Interval,
): { interval: Interval; version: string; firstPartition: number } | undefined {
  const source = catalog.find(dataSource);
  const overlapping = (source?.visible ?? []).filter(({ segment }) => intersect(segment.interval, wanted));
  const first = overlapping[0]?.segment;
  if (!first || !source) return undefined;
  const { interval, version } = first;
  const contains = interval.start <= wanted.start && interval.end >= wanted.end;
  if (!contains || overlapping.some(({ segment }) => segment.version !== version)) {
    throw new Error(
      `Could not allocate segment for ${intervalText(wanted)}: existing segments of another granularity overlap it, ` +
        'which EmbeddedDruid only supports when one existing interval contains the new one',
    );
  }
  const partitions = source.segments
    .filter(
      (segment) =>
        segment.version === version &&
        segment.interval.start === interval.start &&
        segment.interval.end === interval.end,
    )
    .map(({ partition }) => partition);
  return { interval, version, firstPartition: Math.max(...partitions) + 1 };
}

/** Empty segments that hide what `intervals` held, for buckets that got no new rows (`dropExisting`). */
function tombstones(
  catalog: Catalog,
  spec: IngestionSpec,
  chunks: readonly Chunk[],
  version: string,
  nowMs: number,
): Segment[] {
  const visible = catalog.find(spec.dataSource)?.visible ?? [];
  const covered = new Set(chunks.map(({ bucket }) => bucket));
  const empty: Segment[] = [];
  for (const wanted of spec.intervals) {
    let start = bucketStart(wanted.start, spec.segmentGranularity);
    for (; start < wanted.end; start = bucketFrom(start, spec.segmentGranularity).end) {
      const interval = bucketFrom(start, spec.segmentGranularity);
      if (covered.has(start) || !visible.some(({ segment }) => intersect(segment.interval, interval)))
        continue;
      empty.push({
        no: catalog.lastSegmentNo + empty.length + 1,
        dataSource: spec.dataSource,
        interval,
        version,
        partition: 0,
        corePartitions: 1,
        kind: 'tombstone',
        rows: 0,
        sizeBytes: 1,
        dimensions: [],
        metrics: [],
        columns: [],
        table: '',
        minTime: 0,
        maxTime: 0,
        createdMs: nowMs,
      });
    }
  }
  return empty;
}

async function createTable(
  connection: Connection,
  table: { name: string; dataSource: string; columns: ColumnDef[] },
): Promise<void> {
  const columns = table.columns.map(({ type }, index) => `c${index} ${DUCKDB_TYPE[type]}`);
  await connection.run(`CREATE TABLE ${table.name} (${['seg INTEGER', 't BIGINT', ...columns].join(', ')})`);
  await connection.run('INSERT INTO druid_tables VALUES ($1, $2, $3)', [
    table.name,
    table.dataSource,
    JSON.stringify(table.columns),
  ]);
}

async function insertRows(
  connection: Connection,
  spec: IngestionSpec,
  rows: PreparedRows,
  target: string,
  chunks: readonly Chunk[],
  segments: readonly Segment[],
): Promise<void> {
  const list = rows.columns.map((_, index) => `, r.c${index}`).join('');
  const bucket = bucketSql('r.t', spec.segmentGranularity);
  if (segments.length === 1) {
    const no = segments[0]?.no ?? 0;
    await connection.run(
      `INSERT INTO ${target} SELECT ${no}, r.t${list} FROM ${rows.table} r ORDER BY r.t, r.rowid`,
    );
    return;
  }
  let no = segments[0]?.no ?? 0;
  const firsts = chunks.map((chunk) => {
    const first = no;
    no += Math.ceil(chunk.rows / spec.maxRowsPerSegment);
    return `(CAST(${chunk.bucket} AS BIGINT), ${first})`;
  });
  const split = chunks.some((chunk) => chunk.rows > spec.maxRowsPerSegment);
  const position = split
    ? `(row_number() OVER (PARTITION BY m.b ORDER BY r.t, r.rowid) - 1) // ${spec.maxRowsPerSegment}`
    : '0';
  await connection.run(
    `INSERT INTO ${target} SELECT CAST(m.first + ${position} AS INTEGER), r.t${list}
     FROM ${rows.table} r JOIN (VALUES ${firsts.join(', ')}) m(b, first) ON m.b = ${bucket} ORDER BY 1, r.t, r.rowid`,
  );
}

/** Bytes a row of the given width takes in a Druid segment, very roughly; sizes are for display only. */
const sizeOf = (rows: number, columns: number): number => 1000 + rows * (8 + columns * 6);

async function measure(
  connection: Connection,
  table: string,
  segments: readonly Segment[],
  columns: number,
): Promise<void> {
  const first = segments[0]?.no ?? 0;
  const result = await connection.runAndReadAll(
    `SELECT seg, count(*), min(t), max(t) FROM ${table} WHERE seg >= ${first} GROUP BY seg`,
  );
  const byNo = new Map(segments.map((segment) => [segment.no, segment]));
  for (const [no, rows, min, max] of result.getRows()) {
    const segment = byNo.get(Number(no));
    if (!segment) continue;
    segment.rows = Number(rows);
    segment.minTime = Number(min);
    segment.maxTime = Number(max);
    segment.sizeBytes = sizeOf(segment.rows, columns);
  }
}

async function recordSegments(connection: Connection, segments: Segment[]): Promise<Segment[]> {
  const values = segments.map(
    (segment) => `(${segment.no}, ${quoted(segment.dataSource)}, true, ${quoted(JSON.stringify(segment))})`,
  );
  if (values.length > 0) await connection.run(`INSERT INTO druid_segments VALUES ${values.join(', ')}`);
  return segments;
}
