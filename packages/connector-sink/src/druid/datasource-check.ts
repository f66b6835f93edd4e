import type { Logger } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { callDruid, type Patience } from './druid-calls.js';
import { DruidSinkConfigError } from '../errors.js';
import type { DataSchema } from '../commit/ingestion-spec.js';

/** What becomes of a datasource whose columns have other types than the schema: the job does not start, or a warning. */
export type OnSchemaConflict = 'fail' | 'warn';

/** A column that exists with another type than the schema has. */
export interface ColumnConflict {
  readonly column: string;
  readonly expected: string;
  readonly found: string;
}

export interface DatasourceCheckOptions {
  readonly onConflict: OnSchemaConflict;
  readonly logger: Logger;
}

const JSON_TYPE = 'COMPLEX<json>';
/** Sketches: their names in SQL depend on how they were made. */
const COMPLEX = 'COMPLEX';
const ANY_ARRAY = 'ARRAY';

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  float: 'FLOAT',
  json: JSON_TYPE,
};

/** The types that the schema's columns will have: in SQL, and with their elements for arrays. */
export function expectedColumnTypes(dataSchema: DataSchema): ReadonlyMap<string, string> {
  const expected = new Map<string, string>();
  for (const dimension of dataSchema.dimensionsSpec.dimensions) {
    const { name, type } = dimension;
    expected.set(name, type === 'auto' ? dimension.castToType : (sqlTypes[type] ?? type));
  }
  for (const { name, type } of dataSchema.metricsSpec) {
    const base = type === 'count' ? 'long' : /^(long|double|float)(Sum|Min|Max)$/.exec(type)?.[1];
    expected.set(name, base === undefined ? COMPLEX : (sqlTypes[base] ?? COMPLEX));
  }
  return expected;
}

/** Which of the `found` columns contradict the schema. Columns on one side only are no conflict. */
export function columnConflicts(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): readonly ColumnConflict[] {
  return [...expected]
    .map(([column, type]) => ({ column, expected: type, found: found.get(column) ?? type }))
    .filter((is) => !agree(is.expected, is.found));
}

function agree(expected: string, found: string): boolean {
  if (expected === COMPLEX) return found.startsWith(COMPLEX);
  return found === expected || (found === ANY_ARRAY && expected.startsWith(ANY_ARRAY));
}

/**
 * Checks at start-up that Druid answers, accepts us, and that an existing datasource has the schema's column types.
 * @throws DruidSinkConfigError that lists every conflict, unless they are only to be logged; DruidSinkConnectionError
 */
export async function checkDatasource(
  druid: DruidClient,
  dataSchema: DataSchema,
  patience: Patience,
  options?: DatasourceCheckOptions,
): Promise<void> {
  const { dataSource } = dataSchema;
  const expected = expectedColumnTypes(dataSchema);
  const found = await callDruid(patience, 'the start-up check', () =>
    columnTypes(druid, dataSource, expected, patience.signal),
  );
  const conflicts = columnConflicts(expected, found);
  if (conflicts.length === 0) return;
  const list = conflicts
    .map(({ column, expected: wanted, found: is }) => `'${column}' is ${is}, the schema says ${wanted}`)
    .join('; ');
  if (options?.onConflict === 'warn') {
    options.logger.warn(
      'The datasource has other column types than the schema; rows are written all the same',
      {
        dataSource,
        conflicts: list,
      },
    );
    return;
  }
  throw new DruidSinkConfigError(
    `Datasource '${dataSource}' exists with other column types: ${list}. Change the schema to match, write to ` +
      `another datasource, re-index this one, or accept the difference with schemaConflict: 'warn'.`,
    {
      details: {
        dataSource,
        columns: conflicts.map(({ column }) => column).join(', '),
        conflicts: conflicts.length,
      },
    },
  );
}

/** The types of the datasource's columns; none where it does not exist yet. */
async function columnTypes(
  druid: DruidClient,
  dataSource: string,
  expected: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const rows = await druid.sql.query(
    `SELECT "COLUMN_NAME", "DATA_TYPE" FROM INFORMATION_SCHEMA.COLUMNS WHERE "TABLE_SCHEMA" = 'druid' AND "TABLE_NAME" = ?`,
    { parameters: [dataSource], rowFormat: 'array', signal },
  );
  const found = new Map(rows.map(([name, type]) => [String(name), String(type)]));
  const arrays = [...found].flatMap(([name, type]) =>
    type === ANY_ARRAY && expected.get(name)?.startsWith(ANY_ARRAY) ? [name] : [],
  );
  if (arrays.length > 0) {
    for (const [name, type] of await elementTypes(druid, dataSource, arrays, signal)) found.set(name, type);
  }
  for (const [name, type] of expected) {
    // A JSON column of which Druid has seen nothing but nulls shows as a string, to SQL also for a while after the first value.
    if (type !== JSON_TYPE || found.get(name) !== 'VARCHAR') continue;
    if (!(await hasValues(druid, dataSource, name, signal))) found.delete(name);
    else if (/\bjson\b/.test((await elementTypes(druid, dataSource, [name], signal)).get(name) ?? ''))
      found.set(name, JSON_TYPE); // where types differ Druid names the complex ones without COMPLEX
  }
  return found;
}

/** SQL says ARRAY, whatever the elements are; segments say more: those of the last week of data. */
async function elementTypes(
  druid: DruidClient,
  dataSource: string,
  columns: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const analyses = await druid.native.segmentMetadata(
    { dataSource, merge: true, analysisTypes: [], toInclude: { type: 'list', columns } },
    { signal },
  );
  return new Map(
    columns.map((name) => {
      const { errorMessage, typeSignature } = analyses[0]?.columns[name] ?? {};
      const mixed = errorMessage?.replace('error:cannot_merge_diff_types:', 'of several types,');
      return [name, mixed ?? typeSignature ?? ANY_ARRAY];
    }),
  );
}

async function hasValues(
  druid: DruidClient,
  dataSource: string,
  column: string,
  signal: AbortSignal,
): Promise<boolean> {
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const rows = await druid.sql.query(
    `SELECT 1 FROM ${quote(dataSource)} WHERE ${quote(column)} IS NOT NULL LIMIT 1`,
    { rowFormat: 'array', signal },
  );
  return rows.length > 0;
}
