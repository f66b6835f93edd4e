import type { DruidClient } from '@millrace/druid-client';
import { callDruid, type Patience } from './druid-calls.js';
import { DruidSinkConfigError } from '../errors.js';
import type { DataSchema } from '../commit/ingestion-spec.js';

/** A column that exists with another type than the schema has. */
export interface ColumnConflict {
  readonly column: string;
  readonly expected: string;
  readonly found: string;
}

const sqlTypes: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  float: 'FLOAT',
};

/** SQL types of the columns that the schema will write; sketches are left out, their types have no name in SQL. */
export function expectedColumnTypes(dataSchema: DataSchema): ReadonlyMap<string, string> {
  const expected = new Map<string, string>();
  for (const { name, type } of dataSchema.dimensionsSpec.dimensions)
    expected.set(name, sqlTypes[type] ?? type);
  for (const { name, type } of dataSchema.metricsSpec) {
    const base = type === 'count' ? 'long' : /^(long|double|float)(Sum|Min|Max)$/.exec(type)?.[1];
    const sqlType = base === undefined ? undefined : sqlTypes[base];
    if (sqlType !== undefined) expected.set(name, sqlType);
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
    .filter((conflict) => conflict.expected !== conflict.found);
}

/**
 * Checks at start-up that Druid answers, accepts us, and that an existing datasource has the schema's column types.
 * @throws DruidSinkConfigError that lists every conflict; DruidSinkConnectionError
 */
export async function checkDatasource(
  druid: DruidClient,
  dataSchema: DataSchema,
  patience: Patience,
): Promise<void> {
  const { dataSource } = dataSchema;
  const rows = await callDruid(patience, 'the start-up check', () =>
    druid.sql.query(
      `SELECT "COLUMN_NAME", "DATA_TYPE" FROM INFORMATION_SCHEMA.COLUMNS WHERE "TABLE_SCHEMA" = 'druid' AND "TABLE_NAME" = ?`,
      { parameters: [dataSource], rowFormat: 'array', signal: patience.signal },
    ),
  );
  const found = new Map(rows.map(([name, type]) => [String(name), String(type)]));
  const conflicts = columnConflicts(expectedColumnTypes(dataSchema), found);
  if (conflicts.length === 0) return;
  const list = conflicts.map(
    ({ column, expected, found: is }) => `'${column}' is ${is}, the schema says ${expected}`,
  );
  throw new DruidSinkConfigError(
    `Datasource '${dataSource}' exists with other column types: ${list.join('; ')}. Change the schema to match, write to ` +
      `another datasource, or re-index this one.`,
    {
      details: {
        dataSource,
        columns: conflicts.map(({ column }) => column).join(', '),
        conflicts: conflicts.length,
      },
    },
  );
}
