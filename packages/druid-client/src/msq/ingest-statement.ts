import { DruidConfigError } from '../errors.js';
import { ownText, sql, SqlFragment } from '../sql-template.js';
import { utcMs } from '../utc-time.js';

/** Time chunks of the target: a unit, all of time in one, or an ISO 8601 period such as `PT15M`. */
export type PartitionedBy = 'HOUR' | 'DAY' | 'MONTH' | 'YEAR' | 'ALL' | { readonly period: string };

/** An `INSERT`. */
export interface InsertStatement {
  /** The datasource; it is created where it does not exist. */
  readonly into: string;
  /**
   * The SELECT, as a template or such as {@link selectExtern} makes; its columns are mapped by their names, so alias
   * every expression.
   */
  readonly query: SqlFragment;
  readonly partitionedBy: PartitionedBy;
  /** Columns by which the segments of a chunk are divided and sorted. */
  readonly clusteredBy?: readonly string[];
}

/** A `REPLACE`. */
export interface ReplaceStatement extends InsertStatement {
  /**
   * What to remove: everything, or the time from `start` (inclusive) to `end` (exclusive), which must be whole chunks
   * of `partitionedBy`. Rows of the query outside of it make the query fail.
   */
  readonly overwrite: 'all' | { readonly start: Date | string; readonly end: Date | string };
}

/**
 * `INSERT INTO … SELECT … PARTITIONED BY …`: adds to what is there. Run it with {@link DruidMsq.submit}.
 *
 * @example insertStatement({ into: 'edits', query: sql`SELECT …`, partitionedBy: 'DAY', clusteredBy: ['page'] })
 * // INSERT INTO "edits" SELECT … PARTITIONED BY DAY CLUSTERED BY "page"
 * @throws DruidConfigError
 */
export function insertStatement(statement: InsertStatement): SqlFragment {
  const { into } = statement;
  return checked(sql`INSERT INTO ${sql.identifier(into)} ${queryOf(statement)} ${layout(statement)}`);
}

/**
 * `REPLACE INTO … OVERWRITE … SELECT … PARTITIONED BY …`: idempotent by nature. Where the query has no rows, the range
 * becomes empty. The times of `overwrite` are UTC, as is {@link DruidMsq.submit}'s time zone.
 *
 * @example replaceStatement({ into: 'edits', overwrite: 'all', query: sql`SELECT …`, partitionedBy: 'DAY' })
 * // REPLACE INTO "edits" OVERWRITE ALL SELECT … PARTITIONED BY DAY
 * @throws DruidConfigError
 */
export function replaceStatement(statement: ReplaceStatement): SqlFragment {
  const { into, overwrite } = statement;
  const range = overwrite === 'all' ? sql`ALL` : where(overwrite);
  return checked(
    sql`REPLACE INTO ${sql.identifier(into)} OVERWRITE ${range} ${queryOf(statement)} ${layout(statement)}`,
  );
}

// A text would become a parameter, and Druid's answer to that helps nobody.
function queryOf({ query }: InsertStatement): SqlFragment {
  if (SqlFragment.is(query)) return query;
  throw unusable('query', 'The query is a template sql`SELECT …`, or what selectExtern makes; not a text.');
}

function where({ start, end }: { readonly start: Date | string; readonly end: Date | string }): SqlFragment {
  const from = timestamp(start, 'overwrite.start');
  const to = timestamp(end, 'overwrite.end');
  if (from.ms >= to.ms) {
    throw unusable(
      'overwrite',
      `The range to overwrite ends at ${to.text}, not after its start ${from.text}.`,
    );
  }
  // Druid takes no parameters here.
  return ownText(`WHERE "__time" >= TIMESTAMP '${from.text}' AND "__time" < TIMESTAMP '${to.text}'`);
}

function timestamp(value: Date | string, option: string): { readonly ms: number; readonly text: string } {
  const ms = value instanceof Date ? value.getTime() : utcMs(value);
  if (Number.isNaN(ms)) throw unusable(option, `'${String(value)}' is not an ISO 8601 time.`);
  return { ms, text: new Date(ms).toISOString().replace('T', ' ').replace('Z', '') };
}

const units: readonly string[] = ['HOUR', 'DAY', 'MONTH', 'YEAR', 'ALL'];

function layout({ partitionedBy, clusteredBy = [] }: InsertStatement): SqlFragment {
  const columns = clusteredBy.map((name) => sql.identifier(name));
  const clustered = columns.length === 0 ? sql.empty : sql` CLUSTERED BY ${sql.join(columns)}`;
  return sql`PARTITIONED BY ${chunks(partitionedBy)}${clustered}`;
}

function chunks(partitionedBy: PartitionedBy): SqlFragment {
  if (typeof partitionedBy === 'string') {
    if (units.includes(partitionedBy)) return ownText(partitionedBy);
    throw unusable('partitionedBy', `'${String(partitionedBy)}' is none of ${units.join(', ')}.`);
  }
  const { period } = partitionedBy;
  if (/^P[0-9YMWDTHS]+$/.test(period)) return ownText(`TIME_FLOOR("__time", '${period}')`);
  throw unusable('partitionedBy', `'${period}' is not an ISO 8601 period.`);
}

// Jackson refuses longer strings.
const maxSqlCharacters = 20_000_000;

function checked(statement: SqlFragment): SqlFragment {
  const { length } = statement.toStatement().text;
  if (length <= maxSqlCharacters) return statement;
  throw unusable(
    'query',
    `The statement has ${length} characters, and Druid takes ${maxSqlCharacters}: serve the rows over HTTP instead ({ uris }).`,
  );
}

function unusable(option: string, message: string): DruidConfigError {
  return new DruidConfigError({ message, details: { option } });
}
