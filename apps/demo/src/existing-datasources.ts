import type { DruidClient } from '@millrace/druid-client';
import type { DruidSchema } from '@millrace/connector-sink';
import { DemoError } from './failure.js';
import type { DemoSchemas } from './schemas.js';

const SQL_TYPES: Readonly<Record<string, string>> = { string: 'VARCHAR', long: 'BIGINT', double: 'DOUBLE' };

/**
 * Makes sure that a run that begins does not mix its rows with those of another: its figures would be wrong.
 * @throws DemoError naming the datasource that is in the way, and the columns where even those do not fit
 */
export async function requireNoRows(druid: DruidClient, schemas: DemoSchemas): Promise<void> {
  const existing = new Set(await druid.datasources.list());
  for (const schema of Object.values(schemas)) {
    if (!existing.has(schema.dataSource)) continue;
    const conflicts = await columnConflicts(druid, schema as DruidSchema<never>);
    const next = 'Drop it in Druid, or write to others with --datasource-prefix.';
    if (conflicts.length > 0) {
      throw new DemoError(
        `The datasource '${schema.dataSource}' exists, and its columns do not fit: ${conflicts.join('; ')}. ${next}`,
      );
    }
    const rows = await countRows(druid, schema.dataSource);
    if (rows === 0) continue;
    throw new DemoError(
      `The datasource '${schema.dataSource}' already holds ${rows} rows of something else, and this run would add to them. ` +
        `To go on with the run that wrote them, give its --data-dir. Else: ${next}`,
    );
  }
}

/** Columns that exist with another type than the schema has. */
async function columnConflicts(druid: DruidClient, schema: DruidSchema<never>): Promise<string[]> {
  const columns = await druid.sql.query(
    `SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'druid' AND TABLE_NAME = ?`,
    { parameters: [schema.dataSource], rowFormat: 'array' },
  );
  const found = new Map(columns.map(([name, type]) => [String(name), String(type)]));
  return schema.dimensions.flatMap(({ name, type }) => {
    const [is, wanted] = [found.get(name), SQL_TYPES[type]];
    return is === undefined || is === wanted ? [] : [`'${name}' is ${is}, the demo writes ${wanted}`];
  });
}

async function countRows(druid: DruidClient, dataSource: string): Promise<number> {
  const rows = await druid.sql.query(`SELECT COUNT(*) FROM "${dataSource}"`, { rowFormat: 'array' });
  return Number(rows[0]?.[0] ?? 0);
}
