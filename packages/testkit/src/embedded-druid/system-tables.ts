/** `sys.*` and `INFORMATION_SCHEMA.*`, with the columns of Druid 33. */

import type { Catalog } from './catalog.js';
import type { SqlType } from './sql-ast.js';
import { duckType } from './sql-typed.js';
import { quoted } from './store.js';
import type { Supervisors } from './supervisors.js';
import { statusJson, type TaskLocation, type TaskStore } from './task-store.js';
import { isoTime } from './time-text.js';
import { type ColumnType, segmentId, shardSpec } from './timeline.js';

type Value = string | number | null;

/** What the system tables are filled from. */
export interface SystemTables {
  catalog: Catalog;
  tasks: TaskStore;
  supervisors: Supervisors;
  location: TaskLocation;
  startedMs: number;
}

export interface SystemTable {
  schema: string;
  name: string;
  columns: { name: string; type: SqlType }[];
  rows(system: SystemTables): Value[][];
}

/** `name:type` pairs; the type defaults to VARCHAR. */
const columns = (text: string): SystemTable['columns'] =>
  text.split(' ').map((entry) => {
    const [name = '', type = 'VARCHAR'] = entry.split(':');
    return { name, type: type as SqlType };
  });

/** Sizes that Druid shows for servers without a segment cache limit. */
export const HISTORICAL_BYTES = 10_000_000_000;

/** What Druid's default load rule asks for. */
const REPLICATION_FACTOR = 2;

const ROLES = ['coordinator', 'overlord', 'broker', 'historical', 'indexer', 'router'];

const TABLES: SystemTable[] = [
  {
    schema: 'sys',
    name: 'segments',
    columns: columns(
      'segment_id datasource start end size:BIGINT version partition_num:BIGINT num_replicas:BIGINT num_rows:BIGINT is_active:BIGINT is_published:BIGINT is_available:BIGINT is_realtime:BIGINT is_overshadowed:BIGINT shard_spec dimensions metrics last_compaction_state replication_factor:BIGINT',
    ),
    rows: ({ catalog }) =>
      catalog.dataSources().flatMap(({ segments, visible }) => {
        const seen = new Set(visible.map(({ segment }) => segment.no));
        return segments.map((segment): Value[] => {
          const active = seen.has(segment.no) ? 1 : 0;
          return [
            segmentId(segment),
            segment.dataSource,
            isoTime(segment.interval.start),
            isoTime(segment.interval.end),
            segment.sizeBytes,
            segment.version,
            segment.partition,
            1,
            segment.rows,
            active,
            1,
            1,
            0,
            1 - active,
            JSON.stringify(shardSpec(segment)),
            JSON.stringify(segment.dimensions),
            JSON.stringify(segment.metrics),
            null,
            REPLICATION_FACTOR,
          ];
        });
      }),
  },
  {
    schema: 'sys',
    name: 'servers',
    columns: columns(
      'server host plaintext_port:BIGINT tls_port:BIGINT server_type tier curr_size:BIGINT max_size:BIGINT is_leader:BIGINT start_time',
    ),
    rows: ({ location: { host, port }, catalog, startedMs }) => {
      const size = catalog
        .dataSources()
        .flatMap(({ segments }) => segments)
        .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      return ROLES.map((role): Value[] => {
        const holds = role === 'historical';
        const tier = holds || role === 'indexer' ? '_default_tier' : null;
        const leader = role === 'coordinator' || role === 'overlord' ? 1 : null;
        return [
          `${host}:${port}`,
          host,
          port,
          -1,
          role,
          tier,
          holds ? size : 0,
          holds ? HISTORICAL_BYTES : 0,
          leader,
          isoTime(startedMs),
        ];
      });
    },
  },
  {
    schema: 'sys',
    name: 'server_segments',
    columns: columns('server segment_id'),
    rows: ({ catalog, location: { host, port } }) =>
      catalog
        .dataSources()
        .flatMap(({ segments }) => segments.map((segment) => [`${host}:${port}`, segmentId(segment)])),
  },
  {
    schema: 'sys',
    name: 'tasks',
    columns: columns(
      'task_id group_id type datasource created_time queue_insertion_time status runner_status duration:BIGINT location host plaintext_port:BIGINT tls_port:BIGINT error_msg',
    ),
    rows: ({ tasks, location }) =>
      tasks.list().map((task): Value[] => {
        const status = statusJson(task, location);
        const { host, port, tlsPort } = location;
        const text = (field: string): string => String(status[field]);
        return [
          task.id,
          task.id,
          task.type,
          task.dataSource,
          text('createdTime'),
          text('queueInsertionTime'),
          task.status,
          text('runnerStatusCode'),
          task.durationMs,
          `${host}:${port}`,
          host,
          port,
          tlsPort,
          task.error,
        ];
      }),
  },
  {
    schema: 'sys',
    name: 'supervisors',
    columns: columns('supervisor_id state detailed_state healthy:BIGINT type source suspended:BIGINT spec'),
    rows: ({ supervisors }) =>
      supervisors
        .list()
        .map(({ id, type, source, spec }) => [
          id,
          'SUSPENDED',
          'SUSPENDED',
          1,
          type,
          source,
          1,
          JSON.stringify(spec),
        ]),
  },
  {
    schema: 'INFORMATION_SCHEMA',
    name: 'SCHEMATA',
    columns: columns(
      'CATALOG_NAME SCHEMA_NAME SCHEMA_OWNER DEFAULT_CHARACTER_SET_CATALOG DEFAULT_CHARACTER_SET_SCHEMA DEFAULT_CHARACTER_SET_NAME SQL_PATH',
    ),
    rows: () =>
      ['druid', 'INFORMATION_SCHEMA', 'lookup', 'sys', 'view'].map((name) => [
        'druid',
        name,
        null,
        null,
        null,
        null,
        null,
      ]),
  },
  {
    schema: 'INFORMATION_SCHEMA',
    name: 'TABLES',
    columns: columns('TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE IS_JOINABLE IS_BROADCAST'),
    rows: ({ catalog }) => [
      ...catalog.dataSources().map(({ name }) => ['druid', 'druid', name, 'TABLE', 'NO', 'NO']),
      ...TABLES.map(({ schema, name }) => ['druid', schema, name, 'SYSTEM_TABLE', 'NO', 'NO']),
    ],
  },
  {
    schema: 'INFORMATION_SCHEMA',
    name: 'COLUMNS',
    columns: columns(
      'TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION:BIGINT COLUMN_DEFAULT IS_NULLABLE DATA_TYPE CHARACTER_MAXIMUM_LENGTH CHARACTER_OCTET_LENGTH NUMERIC_PRECISION:BIGINT NUMERIC_PRECISION_RADIX:BIGINT NUMERIC_SCALE:BIGINT DATETIME_PRECISION:BIGINT CHARACTER_SET_NAME COLLATION_NAME JDBC_TYPE:BIGINT',
    ),
    rows: ({ catalog }) => [
      ...catalog
        .dataSources()
        .flatMap((source) =>
          [{ name: '__time', type: 'TIMESTAMP' as const }, ...source.columns].map(({ name, type }, index) =>
            columnRow('druid', source.name, name, index, DATA_TYPES[type]),
          ),
        ),
      ...TABLES.flatMap((table) =>
        table.columns.map(({ name, type }, index) => columnRow(table.schema, table.name, name, index, type)),
      ),
    ],
  },
];

const DATA_TYPES: Record<ColumnType | 'TIMESTAMP', string> = {
  TIMESTAMP: 'TIMESTAMP',
  STRING: 'VARCHAR',
  LONG: 'BIGINT',
  DOUBLE: 'DOUBLE',
  FLOAT: 'FLOAT',
};

/** `java.sql.Types` and the numeric precision of each type. */
const JDBC: Record<string, number> = { TIMESTAMP: 93, VARCHAR: 12, BIGINT: -5, DOUBLE: 8, FLOAT: 6 };
const PRECISION: Record<string, number> = { BIGINT: 19, DOUBLE: 15, FLOAT: 15 };
const NO_SCALE = -2_147_483_648;

function columnRow(schema: string, table: string, name: string, index: number, type: string): Value[] {
  const isText = type === 'VARCHAR';
  const precision = PRECISION[type] ?? null;
  const scale = precision === null ? null : type === 'BIGINT' ? 0 : NO_SCALE;
  return [
    'druid',
    schema,
    table,
    name,
    index + 1,
    '',
    name === '__time' ? 'NO' : 'YES',
    type,
    null,
    null,
    precision,
    precision === null ? null : 10,
    scale,
    type === 'TIMESTAMP' ? 3 : null,
    isText ? 'UTF-16LE' : null,
    isText ? 'UTF-16LE$en_US$primary' : null,
    JDBC[type] ?? 12,
  ];
}

export const findSystemTable = (schema: string, name: string): SystemTable | undefined =>
  TABLES.find((table) => table.schema === schema && table.name === name);

/** The table as a DuckDB sub-select with the columns `c0`, `c1`… */
export function systemTableSql(table: SystemTable, system: SystemTables): string {
  const casts = table.columns
    .map(({ type }, index) => `CAST(v${index} AS ${duckType(type)}) AS c${index}`)
    .join(', ');
  const names = table.columns.map((_, index) => `v${index}`).join(', ');
  const rows = table.rows(system);
  const values = (rows.length > 0 ? rows : [table.columns.map(() => null)])
    .map(
      (row) =>
        `(${row.map((value) => (typeof value === 'string' ? quoted(value) : String(value))).join(', ')})`,
    )
    .join(', ');
  return `SELECT ${casts} FROM (VALUES ${values}) AS v(${names})${rows.length > 0 ? '' : ' WHERE false'}`;
}
