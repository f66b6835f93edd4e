import { sql, type SqlFragment } from '@millrace/druid-client';
import { DruidSourceConfigError, DruidSourceRecordError } from '../errors.js';

/** What a column that rows are looked up by holds. */
export type LookupKeyType = 'string' | 'long';

/** The columns that rows are looked up by, and what they hold. */
export type LookupKeyColumns = Readonly<Record<string, LookupKeyType>>;

/**
 * A key to look up: a value for each key column. With null or undefined among them it matches no row, as in SQL.
 *
 * @example LookupKeyOf<{ iata: 'string' }> // { readonly iata: string | null | undefined }
 */
export type LookupKeyOf<K extends LookupKeyColumns> = {
  readonly [Name in keyof K]: (K[Name] extends 'long' ? number | bigint : string) | null | undefined;
};

type KeyPart = string | number | bigint;

/** A key without nulls: its values in the order of the columns, and the text that stands for them in maps. */
export interface WantedKey {
  readonly id: string;
  readonly parts: readonly KeyPart[];
}

/** Half of a surrogate pair. Druid would be asked for `?` instead. */
const halfPair = /\p{Surrogate}/u;

/** Reads, compares and asks for the keys of one lookup. */
export class LookupKeys {
  readonly columns: readonly (readonly [name: string, type: LookupKeyType])[];
  readonly #identifiers: readonly SqlFragment[];

  /** @throws DruidSourceConfigError for no columns, or a type that does not exist */
  constructor(columns: LookupKeyColumns) {
    this.columns = Object.entries(columns);
    if (this.columns.length === 0) {
      throw new DruidSourceConfigError(
        "DruidLookup option 'key' is empty; name the columns to look up by, such as { iata: 'string' }.",
        { details: { option: 'key' } },
      );
    }
    for (const [name, type] of this.columns) {
      if (type === 'string' || type === 'long') continue;
      throw new DruidSourceConfigError(
        `DruidLookup option 'key.${name}' is ${JSON.stringify(type)}; a key column is 'string' or 'long'.`,
        { details: { option: `key.${name}` } },
      );
    }
    this.#identifiers = this.columns.map(([name]) => sql.identifier(name));
  }

  /**
   * The key to look up, or undefined if a part of it is null: then no row can match.
   *
   * @throws DruidSourceRecordError for a value of another type than its column, or an integer that is not exact
   */
  wanted(key: Readonly<Record<string, unknown>>): WantedKey | undefined {
    const parts: KeyPart[] = [];
    for (const [name, type] of this.columns) {
      const part = key[name];
      if (part === null || part === undefined) return undefined;
      if (!isPart(part, type)) throw badPart(name, type, part);
      parts.push(part);
    }
    return { id: this.idOf(parts), parts };
  }

  /** Whether Druid can hold such a key: it has no halves of surrogate pairs, and 64 bits for an integer. */
  canExist({ parts }: WantedKey): boolean {
    return parts.every((part) =>
      typeof part === 'string' ? !halfPair.test(part) : BigInt.asIntN(64, BigInt(part)) === BigInt(part),
    );
  }

  /** The same text for the same key, whichever form its integers have. */
  idOf(parts: readonly unknown[]): string {
    if (parts.length === 1) return String(parts[0]);
    let id = '';
    for (const part of parts) {
      const text = String(part);
      id += `${text.length}:${text}`;
    }
    return id;
  }

  /** The condition that the rows of `keys` meet, and no others. Keys that differ in the last column alone share an IN. */
  condition(keys: readonly WantedKey[]): SqlFragment {
    const last = this.columns.length - 1;
    const groups = new Map<string, { readonly parts: readonly KeyPart[]; readonly lasts: KeyPart[] }>();
    for (const { parts } of keys) {
      const leading = this.idOf(parts.slice(0, last));
      const group = groups.get(leading);
      if (group === undefined) groups.set(leading, { parts, lasts: [parts[last]!] });
      else group.lasts.push(parts[last]!);
    }
    const conditions = Array.from(groups.values(), ({ parts, lasts }) => {
      const equal = this.#identifiers.slice(0, last).map((name, i) => sql`${name} = ${parts[i]!}`);
      const oneOf = sql`${this.#identifiers[last]!} IN (${sql.list(lasts)})`;
      return sql`(${sql.join([...equal, oneOf], sql` AND `)})`;
    });
    return sql`(${sql.join(conditions, sql` OR `)})`;
  }
}

function isPart(part: unknown, type: LookupKeyType): part is KeyPart {
  if (type === 'string') return typeof part === 'string';
  return typeof part === 'bigint' || Number.isSafeInteger(part);
}

function badPart(name: string, type: LookupKeyType, part: unknown): DruidSourceRecordError {
  const shown = typeof part === 'number' || typeof part === 'string' ? JSON.stringify(part) : typeof part;
  const expected =
    type === 'string' ? 'a string' : 'a whole number up to 2^53 - 1 (or a bigint), as the column is a LONG';
  return new DruidSourceRecordError(
    `Key column '${name}' of a lookup is asked for ${shown.slice(0, 80)}; it takes ${expected}. Convert it in 'key'.`,
    { details: { column: name, value: shown.slice(0, 80) } },
  );
}
