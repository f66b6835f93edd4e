import { sql, type DruidClient, type SqlFragment } from '@millrace/druid-client';
import { DruidSourceReadError, DruidSourceSchemaError } from '../errors.js';
import { lookupFailure } from './lookup-failure.js';
import type { LookupReading } from './lookup-options.js';

const integers = ['BIGINT', 'INTEGER', 'SMALLINT', 'TINYINT'];
const moments = ['TIMESTAMP', 'DATE', 'BIGINT'];

/** SQL types that declared columns of a kind can hold; of other kinds, any. */
const fitting: Readonly<Record<string, readonly string[]>> = {
  string: ['VARCHAR', 'CHAR', 'TIMESTAMP', 'DATE', 'OTHER'],
  long: integers,
  double: [...integers, 'DOUBLE', 'FLOAT', 'REAL', 'DECIMAL'],
  boolean: [...integers, 'BOOLEAN'],
  timestamp: [...moments, 'VARCHAR', 'CHAR'],
};

/**
 * The SQL types of the columns that a lookup reads, by name, once they have been found to fit. Druid plans a query for it
 * and reads nothing.
 *
 * @throws DruidSourceSchemaError (a column is missing or has another type), DruidSourceReadError
 */
export async function checkedColumnTypes(
  druid: DruidClient,
  reading: LookupReading,
): Promise<ReadonlyMap<string, string>> {
  const types = await typesOf(druid, reading);
  const faults: string[] = [];
  const expect = (column: string, as: string, fit: readonly string[] | undefined) => {
    const type = types.get(column) ?? 'NULL';
    if (type === 'NULL' || fit === undefined || fit.includes(type)) return;
    faults.push(`'${column}' is ${type} and cannot be ${as}`);
  };
  const { keys, shape, version } = reading;
  for (const [name, type] of keys.columns) {
    expect(name, `a '${type}' key`, type === 'long' ? integers : ['VARCHAR', 'CHAR']);
  }
  for (const [option, name] of Object.entries(version ?? {})) {
    if (name !== undefined) expect(name, `the ${option} (a TIMESTAMP or epoch milliseconds)`, moments);
  }
  if (shape.kind === 'columns') {
    for (const [name, declared] of Object.entries(shape.columns)) {
      expect(name, `read as '${declared}'`, fitting[declared.replace(' not null', '')]);
    }
  }
  if (faults.length === 0) return types;
  throw new DruidSourceSchemaError(
    `A lookup cannot read ${sourceName(reading)} so: ${faults.join('; ')}. Correct 'key' and 'columns', or CAST in 'from'.`,
    { details: { faults: faults.join('; ') } },
  );
}

/** What stands behind FROM. */
export function lookupSource({ from }: LookupReading): SqlFragment {
  return typeof from === 'string' ? sql.identifier(from) : sql`(${from})`;
}

async function typesOf(druid: DruidClient, reading: LookupReading): Promise<Map<string, string>> {
  const { keys, shape, version, queryContext } = reading;
  const names = new Set([
    ...keys.columns.map(([name]) => name),
    ...Object.values(version ?? {}).filter((name) => name !== undefined),
    ...Object.keys(shape.kind === 'columns' ? shape.columns : shape.schema.shape),
  ]);
  const selected = sql.join([...names].map((name) => sql.identifier(name)));
  const types = new Map<string, string>();
  try {
    await druid.sql.query(sql`SELECT ${selected} FROM ${lookupSource(reading)} LIMIT 0`, {
      rowFormat: 'array',
      context: queryContext,
      onColumns: (columns) => {
        for (const { name, sqlType } of columns) types.set(name, sqlType ?? 'NULL');
      },
    });
  } catch (cause) {
    const failure = lookupFailure(`Looking at the columns of ${sourceName(reading)} for a lookup`, cause);
    if (!(failure instanceof DruidSourceReadError) || failure.retryable) throw failure;
    const advice = "Correct 'from', 'key' and 'columns'.";
    throw new DruidSourceSchemaError(`${failure.message} ${advice}`, { cause });
  }
  return types;
}

function sourceName({ from }: LookupReading): string {
  return typeof from === 'string' ? `'${from}'` : "the query in 'from'";
}
