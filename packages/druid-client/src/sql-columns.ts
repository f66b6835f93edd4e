import type { Int64Mode } from './columns.js';
import { DruidConfigError } from './errors.js';

// What a column may hold, apart from null.
const kinds = [
  'string',
  'long',
  'double',
  'boolean',
  'timestamp',
  'array<string>',
  'array<long>',
  'array<double>',
  'multi-value',
  'json',
  'bytes',
] as const;

/**
 * What a column holds:
 * - `string`, `boolean` (also Druid's LONG 0 and 1);
 * - `long`: an integer, exact, as `int64` says;
 * - `double`: FLOAT, DOUBLE and DECIMAL, NaN and infinities included;
 * - `timestamp`: TIMESTAMP and DATE, or epoch milliseconds in a LONG, as `timestamps` says;
 * - `array<…>`: an ARRAY, whose elements may be null;
 * - `multi-value`: a multi-value VARCHAR, always as an array. Druid writes several values as JSON, a single one as it is,
 *   so a single value that is itself such JSON text cannot be told apart;
 * - `json`: a COMPLEX<json>, or JSON in a VARCHAR;
 * - `bytes`: a sketch or another COMPLEX type in its binary form, which Druid writes in base64.
 */
export type SqlColumnKind = (typeof kinds)[number];

/** A declared column: its kind, and ` not null` where the query rules null out. */
export type SqlColumnType = SqlColumnKind | `${SqlColumnKind} not null`;

/** The columns of a result, by name. */
export type SqlColumnTypes = Readonly<Record<string, SqlColumnType>>;

/** How timestamps are handed out: `ms`, the default, as epoch milliseconds (UTC), or as `Date`. */
export type TimestampMode = 'ms' | 'date';

type Long<I extends Int64Mode> = { 'safe-number': number; bigint: bigint; string: string }[I];

/** What a column of each kind holds, apart from null. */
export interface ValueOf<I extends Int64Mode, T extends TimestampMode> {
  string: string;
  long: Long<I>;
  double: number;
  boolean: boolean;
  timestamp: { ms: number; date: Date }[T];
  'array<string>': (string | null)[];
  'array<long>': (Long<I> | null)[];
  'array<double>': (number | null)[];
  'multi-value': (string | null)[];
  json: unknown;
  bytes: Uint8Array;
}

/**
 * The row of a result with these columns.
 *
 * @example SqlRowOf<{ page: 'string not null'; added: 'long' }> // { page: string; added: number | null }
 */
export type SqlRowOf<
  C extends SqlColumnTypes,
  I extends Int64Mode = 'safe-number',
  T extends TimestampMode = 'ms',
> = {
  -readonly [Name in keyof C]: C[Name] extends `${infer Kind extends SqlColumnKind} not null`
    ? ValueOf<I, T>[Kind]
    : ValueOf<I, T>[C[Name] & SqlColumnKind] | null;
};

/** A declared column, taken apart. */
export interface DeclaredColumn {
  readonly name: string;
  readonly kind: SqlColumnKind;
  readonly isNullable: boolean;
}

/** @throws DruidConfigError for a type that does not exist, and for no columns at all */
export function declaredColumns(types: SqlColumnTypes): readonly DeclaredColumn[] {
  const columns = Object.entries(types).map(([name, type]) => {
    const text = String(type);
    const isNullable = !text.endsWith(' not null');
    const kind = isNullable ? text : text.slice(0, -' not null'.length);
    if (!isKind(kind)) throw badType(name, text);
    return { name, kind, isNullable };
  });
  if (columns.length > 0) return columns;
  throw new DruidConfigError({
    message: "Option 'columns' declares no columns.",
    details: { option: 'columns' },
  });
}

function isKind(text: string): text is SqlColumnKind {
  return (kinds as readonly string[]).includes(text);
}

function badType(name: string, type: string): DruidConfigError {
  return new DruidConfigError({
    message: `Column '${name}' is declared as ${JSON.stringify(type)}; known are ${kinds.join(', ')}, each also with ' not null'.`,
    details: { option: `columns.${name}` },
  });
}
