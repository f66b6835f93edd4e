/**
 * `EXTERN`: rows from outside the cluster as a table, with an explicit signature ("EXTERN function" in Druid's
 * SQL-based ingestion reference).
 *
 * Invariant 1: names and values enter the SQL text as quoted identifiers and literals only.
 */
import { DruidConfigError } from '../errors.js';
import { encodeJson } from '../json-encode.js';
import { ownText, sql, type SqlFragment } from '../sql-template.js';

/** Types that EXTERN reads. */
export type ExternType =
  | 'string'
  | 'long'
  | 'double'
  | 'float'
  | 'ARRAY<STRING>'
  | 'ARRAY<LONG>'
  | 'ARRAY<DOUBLE>'
  | `COMPLEX<${string}>`;

/** The columns to read, in order, each with its type. What the data has beyond them is left out. */
export type ExternSignature = Readonly<Record<string, ExternType>>;

/** Where the rows are. */
export type ExternInput =
  /** The rows themselves; with the rest of the statement at most 20,000,000 characters. */
  | { readonly rows: readonly Readonly<Record<string, unknown>>[] }
  /** Files that the workers fetch; the server must allow the protocol, and any request headers. */
  | {
      readonly uris: readonly string[];
      readonly username?: string;
      readonly password?: string;
      readonly requestHeaders?: Readonly<Record<string, string>>;
    }
  /** Files on the workers' own disks. */
  | { readonly files: readonly string[] }
  | { readonly baseDir: string; readonly filter: string }
  /** Any other input source, as Druid writes it. */
  | { readonly inputSource: Readonly<{ type: string; [key: string]: unknown }> };

/** An external table. */
export interface ExternTable {
  readonly input: ExternInput;
  readonly signature: ExternSignature;
  /** Default `{ type: 'json' }`, a JSON object a line. Given rows are always that. */
  readonly inputFormat?: Readonly<{ type: string; [key: string]: unknown }>;
}

/**
 * The table expression for an external table, for use in a template or by {@link selectExtern}.
 *
 * @example sql`SELECT COUNT(*) FROM ${extern({ input: { uris: ['http://host/a.json'] }, signature: { ts: 'string' } })}`
 * // SELECT COUNT(*) FROM TABLE(EXTERN('{"type":"http","uris":["http://host/a.json"]}', '{"type":"json"}', '[{"name":"ts","type":"string"}]'))
 * @throws DruidConfigError for rows with members that the signature lacks, NaN or zero bytes, and for a column `__time`
 * that is no long
 */
export function extern(table: ExternTable): SqlFragment {
  const { input, signature, inputFormat = { type: 'json' } } = table;
  const columns = Object.entries(signature).map(([name, type]) => ({ name, type }));
  if (columns.length === 0)
    throw unusable('signature', 'The signature of an external table names no column.');
  const time = Object.hasOwn(signature, '__time') ? signature['__time'] : 'long';
  if (time !== 'long') {
    throw unusable(
      'signature',
      `The signature has '__time' as ${time}; Druid takes an external column of that name as a long only: rename it in the data.`,
    );
  }
  const parts = [inputSourceOf(input, signature), inputFormat, columns];
  return ownText(`TABLE(EXTERN(${parts.map((part) => literal(encodeJson(part))).join(', ')}))`);
}

/** How {@link selectExtern} makes `__time`; a column of that name, which is a long, is taken as it is. */
export interface ExternTimestamp {
  readonly column: string;
  /** `iso` (a string column) or epoch milliseconds (a long column). Default `iso`. */
  readonly format?: 'iso' | 'millis';
}

/**
 * `SELECT` of all columns of an external table as they are, the timestamp first, as `__time`.
 *
 * @example selectExtern(table, { column: 'ts' }) // SELECT TIME_PARSE("ts") AS "__time", "page" FROM TABLE(EXTERN(…))
 * @throws DruidConfigError
 */
export function selectExtern(table: ExternTable, timestamp: ExternTimestamp): SqlFragment {
  const { column, format = 'iso' } = timestamp;
  const names = Object.keys(table.signature);
  if (!names.includes(column)) {
    throw unusable('timestamp', `The timestamp column '${column}' is not in the signature.`);
  }
  const from = sql.identifier(column);
  const time = format === 'iso' ? sql`TIME_PARSE(${from})` : sql`MILLIS_TO_TIMESTAMP(${from})`;
  const first = column === '__time' ? from : sql`${time} AS "__time"`;
  const others = names.filter((name) => name !== column).map((name) => sql.identifier(name));
  return sql`SELECT ${sql.join([first, ...others])} FROM ${extern(table)}`;
}

function inputSourceOf(input: ExternInput, signature: ExternSignature): unknown {
  if ('inputSource' in input) return input.inputSource;
  if ('rows' in input) return { type: 'inline', data: ndjson(input.rows, signature) };
  if ('files' in input) return { type: 'local', files: input.files };
  if ('baseDir' in input) return { type: 'local', baseDir: input.baseDir, filter: input.filter };
  const { uris, username, password, requestHeaders } = input;
  return {
    type: 'http',
    uris,
    ...(username === undefined ? {} : { httpAuthenticationUsername: username }),
    ...(password === undefined ? {} : { httpAuthenticationPassword: { type: 'default', password } }),
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
  };
}

function ndjson(rows: readonly Readonly<Record<string, unknown>>[], signature: ExternSignature): string {
  return rows
    .map((row, number) => {
      const stranger = Object.keys(row).find((name) => !Object.hasOwn(signature, name));
      if (stranger !== undefined) {
        throw unusable(
          'rows',
          `Row ${number} has '${stranger}', which the signature lacks: Druid would drop it.`,
        );
      }
      for (const [name, value] of Object.entries(row)) requireWritable(value, number, name);
      return encodeJson(row);
    })
    .join('\n');
}

function requireWritable(value: unknown, row: number, name: string): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw unusable('rows', `Row ${row} has ${value} in '${name}', which JSON cannot carry.`);
  }
  if (typeof value === 'string' && value.includes('\0')) {
    throw unusable('rows', `Row ${row} has a zero byte in '${name}', with which multi-stage queries fail.`);
  }
  if (Array.isArray(value)) value.forEach((item) => requireWritable(item, row, name));
  else if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach((item) => requireWritable(item, row, name));
  }
}

function unusable(option: string, message: string): DruidConfigError {
  return new DruidConfigError({ message, details: { option } });
}

/** A string literal. Druid's parser knows no other escape in it than the doubled quote. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
