import type { SqlColumnTypes, SqlRowOf } from './sql-columns.js';
import { sql, type SqlFragment } from './sql-template.js';

const tableColumns = {
  TABLE_SCHEMA: 'string not null',
  TABLE_NAME: 'string not null',
  TABLE_TYPE: 'string not null',
  IS_JOINABLE: 'string',
  IS_BROADCAST: 'string',
} as const satisfies SqlColumnTypes;

const columnColumns = {
  TABLE_SCHEMA: 'string not null',
  TABLE_NAME: 'string not null',
  COLUMN_NAME: 'string not null',
  ORDINAL_POSITION: 'long',
  IS_NULLABLE: 'string',
  DATA_TYPE: 'string not null',
  JDBC_TYPE: 'long',
} as const satisfies SqlColumnTypes;

const serverColumns = {
  server: 'string not null',
  host: 'string',
  plaintext_port: 'long',
  tls_port: 'long',
  server_type: 'string not null',
  tier: 'string',
  curr_size: 'long',
  max_size: 'long',
  is_leader: 'boolean',
} as const satisfies SqlColumnTypes;

const segmentColumns = {
  segment_id: 'string not null',
  datasource: 'string not null',
  start: 'string not null',
  end: 'string not null',
  size: 'long',
  version: 'string not null',
  partition_num: 'long',
  num_replicas: 'long',
  num_rows: 'long',
  is_active: 'boolean',
  is_published: 'boolean',
  is_available: 'boolean',
  is_realtime: 'boolean',
  is_overshadowed: 'boolean',
} as const satisfies SqlColumnTypes;

const taskColumns = {
  task_id: 'string not null',
  group_id: 'string',
  type: 'string',
  datasource: 'string',
  created_time: 'string',
  queue_insertion_time: 'string',
  status: 'string',
  runner_status: 'string',
  duration: 'long',
  location: 'string',
  host: 'string',
  plaintext_port: 'long',
  tls_port: 'long',
  error_msg: 'string',
} as const satisfies SqlColumnTypes;

/** A row of `INFORMATION_SCHEMA.TABLES`; `IS_…` are `YES` or `NO`. */
export type TableRow = SqlRowOf<typeof tableColumns>;
/** A row of `INFORMATION_SCHEMA.COLUMNS`; `DATA_TYPE` is an SQL type. */
export type ColumnRow = SqlRowOf<typeof columnColumns>;
/** A row of `sys.servers`. Sizes are bytes; ports are -1 where not in use. */
export type ServerRow = SqlRowOf<typeof serverColumns>;
/** A row of `sys.segments` without its JSON texts. `size` is bytes; `num_rows` 0 means unknown. */
export type SegmentRow = SqlRowOf<typeof segmentColumns>;
/** A row of `sys.tasks`. `duration` is milliseconds, -1 while the task runs. */
export type TaskRow = SqlRowOf<typeof taskColumns>;

/** Options of a look into a system table. */
export interface SystemTableOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly timeoutMs?: number;
}

/** Runs a query by declared columns. */
export type RunDeclared = <C extends SqlColumnTypes>(
  query: SqlFragment,
  options: SystemTableOptions & { readonly columns: C },
) => Promise<SqlRowOf<C>[]>;

/**
 * Druid's tables about itself ("SQL metadata tables" of its documentation), with its names. They are what the asked
 * Broker knows, and may lag behind the Coordinator.
 */
export class DruidSystemTables {
  private readonly run: RunDeclared;

  constructor(run: RunDeclared) {
    this.run = run;
  }

  /**
   * Tables of a schema, by default the datasources (`druid`); others are `sys`, `INFORMATION_SCHEMA`, `lookup`, `view`.
   *
   * @example (await druid.sql.system.tables()).map(({ TABLE_NAME }) => TABLE_NAME) // ['edits', …]
   */
  tables(options: SystemTableOptions & { readonly schema?: string } = {}): Promise<TableRow[]> {
    const { schema = 'druid', ...call } = options;
    const where = sql`WHERE TABLE_SCHEMA = ${schema} ORDER BY TABLE_NAME`;
    return this.run(select(tableColumns, sql`INFORMATION_SCHEMA.TABLES`, where), {
      ...call,
      columns: tableColumns,
    });
  }

  /** Columns of a table, in order; empty for an unknown table. `schema` is `druid` unless given. */
  columns(
    table: string,
    options: SystemTableOptions & { readonly schema?: string } = {},
  ): Promise<ColumnRow[]> {
    const { schema = 'druid', ...call } = options;
    const where = sql`WHERE TABLE_SCHEMA = ${schema} AND TABLE_NAME = ${table} ORDER BY ORDINAL_POSITION`;
    return this.run(select(columnColumns, sql`INFORMATION_SCHEMA.COLUMNS`, where), {
      ...call,
      columns: columnColumns,
    });
  }

  /** The servers that the Broker sees, or those of a type such as `historical`. */
  servers(options: SystemTableOptions & { readonly serverType?: string } = {}): Promise<ServerRow[]> {
    const { serverType, ...call } = options;
    const where = sql`${equals('server_type', serverType)} ORDER BY "server"`;
    return this.run(select(serverColumns, sql`sys.servers`, where), { ...call, columns: serverColumns });
  }

  /** Segments, published or not, overshadowed or not; of one datasource if `datasource` is given. */
  segments(options: SystemTableOptions & { readonly datasource?: string } = {}): Promise<SegmentRow[]> {
    const { datasource, ...call } = options;
    const where = sql`${equals('datasource', datasource)} ORDER BY "datasource", "start", "version", "partition_num"`;
    return this.run(select(segmentColumns, sql`sys.segments`, where), { ...call, columns: segmentColumns });
  }

  /** Tasks that run or ended lately, latest first; of one datasource if `datasource` is given. */
  tasks(options: SystemTableOptions & { readonly datasource?: string } = {}): Promise<TaskRow[]> {
    const { datasource, ...call } = options;
    const where = sql`${equals('datasource', datasource)} ORDER BY "created_time" DESC, "task_id"`;
    return this.run(select(taskColumns, sql`sys.tasks`, where), { ...call, columns: taskColumns });
  }
}

function select(columns: SqlColumnTypes, table: SqlFragment, rest: SqlFragment): SqlFragment {
  const names = sql.join(Object.keys(columns).map((name) => sql.identifier(name)));
  return sql`SELECT ${names} FROM ${table} ${rest}`;
}

function equals(column: string, value: string | undefined): SqlFragment {
  return value === undefined ? sql.empty : sql`WHERE ${sql.identifier(column)} = ${value}`;
}
