import { StreamConfigError } from '../errors.js';

/** Databases whose way to say "insert, or update what is there" is known. */
export type SqlDialect = 'sqlite' | 'postgresql' | 'mysql';

export interface SqlUpsertOptions {
  /** Its name; with a schema, the parts one by one: `['public', 'orders']`. */
  readonly table: string | readonly string[];
  /** All columns that are written, in the order of the statement's parameters. */
  readonly columns: readonly string[];
  /** Those of the primary key, or of another unique index. */
  readonly keyColumns: readonly string[];
  readonly dialect: SqlDialect;
}

/** A statement that writes one row, and overwrites what is there under its key. */
export interface UpsertStatement {
  readonly sql: string;
  /** The columns of its parameters, in order. */
  readonly columns: readonly string[];
  readonly keyColumns: readonly string[];
}

/**
 * Makes the statement for an upsert sink. Names are quoted, so they have to be written as the database has them.
 *
 * @example
 * sqlUpsert({ table: 'totals', columns: ['shop', 'total'], keyColumns: ['shop'], dialect: 'sqlite' }).sql
 * // INSERT INTO "totals" ("shop", "total") VALUES (?, ?) ON CONFLICT ("shop") DO UPDATE SET "total" = excluded."total"
 * @throws StreamConfigError
 */
export function sqlUpsert({ table, columns, keyColumns, dialect }: SqlUpsertOptions): UpsertStatement {
  checkColumns(columns, keyColumns);
  const quote = (name: string) => quoted(name, dialect);
  const names = typeof table === 'string' ? [table] : table;
  if (names.length === 0)
    throw new StreamConfigError("'table' of an upsert must be a name, or the parts of one");
  const into = names.map(quote).join('.');
  const parameters = columns.map((_name, index) => (dialect === 'postgresql' ? `$${index + 1}` : '?'));
  const others = columns.filter((name) => !keyColumns.includes(name)).map(quote);
  const insert = `INSERT INTO ${into} (${columns.map(quote).join(', ')}) VALUES (${parameters.join(', ')})`;
  const conflict =
    dialect === 'mysql' ? mysqlUpdate(keyColumns.map(quote), others) : update(keyColumns.map(quote), others);
  return { sql: `${insert} ${conflict}`, columns, keyColumns };
}

function update(keys: readonly string[], others: readonly string[]): string {
  const target = `ON CONFLICT (${keys.join(', ')}) DO`;
  if (others.length === 0) return `${target} NOTHING`;
  return `${target} UPDATE SET ${others.map((name) => `${name} = excluded.${name}`).join(', ')}`;
}

/** `VALUES(…)` is the one form that MySQL and MariaDB share. */
function mysqlUpdate(keys: readonly string[], others: readonly string[]): string {
  const assignments =
    others.length === 0
      ? keys.map((name) => `${name} = ${name}`)
      : others.map((name) => `${name} = VALUES(${name})`);
  return `ON DUPLICATE KEY UPDATE ${assignments.join(', ')}`;
}

function quoted(name: string, dialect: SqlDialect): string {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new StreamConfigError(`A name of an upsert must not be empty, got ${JSON.stringify(name)}`);
  }
  return dialect === 'mysql' ? `\`${name.replaceAll('`', '``')}\`` : `"${name.replaceAll('"', '""')}"`;
}

/** @throws StreamConfigError for columns that are there twice, and for keys that are no columns */
export function checkColumns(columns: readonly string[], keyColumns: readonly string[]): void {
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw new StreamConfigError(`'columns' of an upsert has '${twice}' twice`);
  if (keyColumns.length === 0)
    throw new StreamConfigError("'keyColumns' of an upsert must name one column at least");
  const unknown = keyColumns.find((name) => !columns.includes(name));
  if (unknown === undefined) return;
  throw new StreamConfigError(
    `'keyColumns' of an upsert has '${unknown}', which is none of its columns ${columns.join(', ')}`,
  );
}
