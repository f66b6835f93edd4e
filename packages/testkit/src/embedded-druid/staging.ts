/**
 * Turns an input file into typed rows in a temporary DuckDB table.
 *
 * Two ways lead there. DuckDB's own NDJSON reader is fast, and is used while every line is one that it reads exactly
 * as Druid does. As soon as anything is in doubt (a malformed line, a blank line, a fraction in a long column, an
 * object in a string column, an unusual time…) the whole file is read again, line by line, by `row-reader.ts`, which
 * follows Druid's rules and counts what it had to refuse.
 */

import { join } from 'node:path';
import type { IngestionSpec } from './ingestion-spec.js';
import type { FieldRole } from './java-values.js';
import { noRows, readRows, type RowStats, TooManyParseExceptions } from './row-reader.js';
import { type Connection, quoted } from './store.js';
import type { TaskInput } from './task-input.js';
import { DUCKDB_TYPE } from './catalog.js';
import { EARLIEST_MS, LATEST_MS } from './time-text.js';
import type { ColumnType } from './timeline.js';

/** A typed input field: dimensions and the inputs of metrics. */
export interface StagedField {
  field: string;
  type: ColumnType;
  role: FieldRole;
}

export interface StagedRows {
  /** A table with columns `t` (epoch ms, not truncated) and `f0`, `f1`… in the order of `fields`. */
  table: string;
  fields: StagedField[];
  stats: RowStats;
  exact: boolean;
}

export { TooManyParseExceptions };

/** The distinct (field, type) pairs that a spec reads, besides the timestamp. */
export function stagedFields(spec: IngestionSpec): StagedField[] {
  const fields = spec.dimensions.map(({ name, type }): StagedField => ({
    field: name,
    type,
    role: 'dimension',
  }));
  for (const { field, type } of spec.metrics) {
    if (field === undefined) continue;
    const wanted = type === 'FLOAT' ? 'DOUBLE' : type;
    const known = fields.some(
      (other) => other.role === 'metric' && other.field === field && other.type === wanted,
    );
    if (!known) fields.push({ field, type: wanted, role: 'metric' });
  }
  return fields;
}

/** Loads the input; `table` is created in `connection`. */
export async function stageRows(
  connection: Connection,
  spec: IngestionSpec,
  input: TaskInput,
  table: string,
  exactPath: string,
): Promise<StagedRows> {
  const fields = stagedFields(spec);
  if (!input.lenient && (await stageFast(connection, spec, fields, input, table))) {
    return { table, fields, stats: { ...noRows(), processed: input.lines }, exact: false };
  }
  const stats = await readRows(spec, fields, input.path, exactPath);
  await connection.run(`DROP TABLE IF EXISTS ${table}`);
  await connection.run(`CREATE TEMP TABLE ${table} AS SELECT * FROM ${exactSource(fields, exactPath)}`);
  return { table, fields, stats, exact: true };
}

/** Where the exact reader writes its rows. */
export const exactPathIn = (folder: string, name: string): string => join(folder, `${name}.exact.ndjson`);

function exactSource(fields: readonly StagedField[], path: string): string {
  const columns = [
    `'t': 'BIGINT'`,
    ...fields.map(({ type }, index) => `'f${index}': '${DUCKDB_TYPE[type]}'`),
  ];
  return `read_json(${quoted(path)}, format = 'newline_delimited', columns = {${columns.join(', ')}})`;
}

async function stageFast(
  connection: Connection,
  spec: IngestionSpec,
  fields: readonly StagedField[],
  input: TaskInput,
  table: string,
): Promise<boolean> {
  const names = [...new Set([spec.timestamp.column, ...fields.map(({ field }) => field)])];
  if (new Set(names.map((name) => name.toLowerCase())).size !== names.length) return false;
  const columns = names.map((name) => `${quoted(name)}: 'VARCHAR'`).join(', ');
  const column = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const raw = (field: string): string => {
    const constant = spec.constants.get(field);
    return constant === undefined ? column(field) : quoted(constant);
  };
  const time = column(spec.timestamp.column);
  const typed = fields.map(({ field, type }, index) => `${typedSql(raw(field), type)} AS f${index}`);
  const doubts = [
    `${timeSql(time, spec.timestamp.format)} IS NULL`,
    ...fields.map(({ field, type }) => doubtSql(raw(field), type)),
  ];
  try {
    await connection.run(`DROP TABLE IF EXISTS ${table}`);
    await connection.run(
      `CREATE TEMP TABLE ${table} AS SELECT ${[`${timeSql(time, spec.timestamp.format)} AS t`, ...typed].join(', ')},
         (${doubts.join(' OR ')}) AS doubt
       FROM read_json(${quoted(input.path)}, format = 'newline_delimited', columns = {${columns}}, maximum_object_size = 67108864)`,
    );
    const result = await connection.runAndReadAll(
      `SELECT count(*), coalesce(bool_or(doubt), false) FROM ${table}`,
    );
    const [count, doubt] = result.getRows()[0] ?? [];
    return Number(count) === input.lines && doubt === false;
  } catch {
    return false;
  }
}

/** Epoch milliseconds, or NULL for everything that is not in the one canonical form of the format. */
function timeSql(raw: string, format: IngestionSpec['timestamp']['format']): string {
  const digits = (scale: string): string =>
    `CASE WHEN TRY_CAST(${raw} AS BIGINT)::VARCHAR = ${raw} AND length(${raw}) <= 15
       AND TRY_CAST(${raw} AS BIGINT)${scale} BETWEEN ${EARLIEST_MS} AND ${LATEST_MS} THEN CAST(${raw} AS BIGINT)${scale} END`;
  const iso = `CASE WHEN length(${raw}) IN (20, 24) AND suffix(${raw}, 'Z') AND ${raw}[11] = 'T' THEN epoch_ms(TRY_CAST(${raw} AS TIMESTAMP)) END`;
  switch (format) {
    case 'millis':
      return digits('');
    case 'posix':
      return digits(' * 1000');
    case 'iso':
      return iso;
    case 'auto':
      return `coalesce(${iso}, ${digits('')})`;
  }
}

function typedSql(raw: string, type: ColumnType): string {
  if (type === 'FLOAT') return `TRY_CAST(TRY_CAST(${raw} AS DOUBLE) AS FLOAT)`;
  return type === 'STRING' ? raw : `TRY_CAST(${raw} AS ${DUCKDB_TYPE[type]})`;
}

/** True for a value that DuckDB may read otherwise than Druid. */
function doubtSql(raw: string, type: ColumnType): string {
  switch (type) {
    case 'LONG':
      return `(${raw} IS NOT NULL AND (TRY_CAST(${raw} AS BIGINT)::VARCHAR IS DISTINCT FROM ${raw}))`;
    case 'DOUBLE':
    case 'FLOAT':
      return `(${raw} IS NOT NULL AND (${typedSql(raw, type)} IS NULL OR NOT regexp_full_match(${raw}, '-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?')))`;
    case 'STRING':
      // Objects, arrays, and what may have been a JSON number with a fraction, an exponent or too many digits.
      return `((${raw} >= '[' AND ${raw} < '\\') OR (${raw} >= '{' AND ${raw} < '|')
        OR (${raw} >= '-' AND ${raw} < ':' AND regexp_matches(${raw}, '^-?[0-9]*([.eE]|[0-9]{18})')))`;
  }
}
