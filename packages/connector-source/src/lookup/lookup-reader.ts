/**
 * Asks Druid for the rows of many keys in one SQL query.
 *
 * Role: the statement, its rows, and which key each belongs to. Boundary: knows neither batches nor caches.
 *
 * Invariants
 * 1. Values reach Druid as typed parameters only.
 * 2. Each key that was asked for has an answer: rows that fit the declared columns or the schema, or none.
 * 3. More rows for a key than the lookup allows are an error, as soon as they arrive.
 */
import {
  sql,
  type DruidClient,
  type SqlColumnTypes,
  type SqlFragment,
  type SqlRow,
} from '@millrace/druid-client';
import { DruidSourceError, DruidSourceRecordError } from '../errors.js';
import { checkedColumnTypes, lookupSource } from './lookup-columns.js';
import type { LookupEntry } from './lookup-entry.js';
import { lookupFailure } from './lookup-failure.js';
import type { LookupKeyType, WantedKey } from './lookup-key.js';
import type { LookupReading } from './lookup-options.js';

interface FoundRow {
  readonly row: unknown;
  /** 0 unless the lookup is versioned. */
  readonly validFrom: number;
  readonly validTo: number | null;
}

// With a space, so that they hardly ever are a column's own name, and read well in messages about a value.
const keyAlias = (name: string): string => `key ${name}`;
const versionAlias = 'valid from';
const validToAlias = 'valid to';

export class LookupReader<Row> {
  readonly #reading: LookupReading;
  readonly #keyAliases: readonly string[];
  readonly #names: readonly string[];
  /** Everything before the condition. */
  readonly #head: SqlFragment;
  /** Of the whole result, for rows by declared columns. */
  readonly #columns: SqlColumnTypes | undefined;

  /** Looks at the columns before there is anything to read. @throws DruidSourceSchemaError, DruidSourceReadError */
  static async open<Row>(druid: DruidClient, reading: LookupReading): Promise<LookupReader<Row>> {
    return new LookupReader(reading, await checkedColumnTypes(druid, reading));
  }

  private constructor(reading: LookupReading, types: ReadonlyMap<string, string>) {
    this.#reading = reading;
    const { keys, shape, version } = reading;
    this.#keyAliases = keys.columns.map(([name]) => keyAlias(name));
    this.#names = Object.keys(shape.kind === 'columns' ? shape.columns : shape.schema.shape);
    const versions: (readonly [name: string, alias: string])[] = [];
    if (version !== undefined) versions.push([version.versionColumn, versionAlias]);
    if (version?.validToColumn !== undefined) versions.push([version.validToColumn, validToAlias]);
    const selected = [
      ...keys.columns.map(([name, type]) => aliased(keyText(name, type), keyAlias(name))),
      ...versions.map(([name, alias]) => aliased(millisOf(name, types.get(name)), alias)),
      ...this.#names.map((name) => aliased(sql.identifier(name), name)),
    ];
    this.#head = sql`SELECT ${sql.join(selected)} FROM ${lookupSource(reading)} WHERE `;
    if (shape.kind !== 'columns') return;
    const added = keys.columns.map(([name]) => [keyAlias(name), 'string not null'] as const);
    const times = versions.map(
      ([, alias]) => [alias, alias === versionAlias ? 'long not null' : 'long'] as const,
    );
    this.#columns = { ...shape.columns, ...Object.fromEntries([...added, ...times]) };
  }

  /**
   * What Druid holds for each key, in the order of `keys`.
   *
   * @throws DruidSourceReadError (Druid refuses or keeps failing), DruidSourceRecordError (a row that does not fit, or
   * several where one is expected)
   */
  async read(
    druid: DruidClient,
    keys: readonly WantedKey[],
    signal: AbortSignal,
  ): Promise<LookupEntry<Row>[]> {
    const found = new Map<string, FoundRow[]>(keys.map(({ id }) => [id, []]));
    try {
      for await (const batch of this.#stream(
        druid,
        sql`${this.#head}${this.#reading.keys.condition(keys)}`,
        signal,
      )) {
        for (const raw of batch) this.#add(raw, found);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw DruidSourceError.is(error) ? error : lookupFailure(`A lookup of ${keys.length} keys`, error);
    }
    return keys.map(({ id }) => this.#entryOf(id, found.get(id)!)); // invariant 2
  }

  #stream(druid: DruidClient, query: SqlFragment, signal: AbortSignal): AsyncIterable<SqlRow[]> {
    const { int64, queryContext } = this.#reading;
    if (this.#columns !== undefined) {
      const options = { columns: this.#columns, int64, context: queryContext, signal };
      return druid.sql.stream(query, options) as AsyncIterable<SqlRow[]>;
    }
    // Without declared columns arrays would come as text.
    return druid.sql.stream(query, {
      int64,
      context: { sqlStringifyArrays: false, ...queryContext },
      signal,
    });
  }

  #add(raw: SqlRow, found: Map<string, FoundRow[]>): void {
    const { keys, match, maxRowsPerKey } = this.#reading;
    const id = keys.idOf(this.#keyAliases.map((alias) => raw[alias]));
    const rows = found.get(id);
    if (rows === undefined) throw this.#unasked(id);
    if (match === 'version' && raw[versionAlias] === null) throw this.#untimed(id);
    const validFrom = match === 'version' ? Number(raw[versionAlias]) : 0;
    const end = raw[validToAlias] ?? null;
    rows.push({ row: this.#rowOf(raw, id), validFrom, validTo: end === null ? null : Number(end) });
    if (rows.length > maxRowsPerKey) throw this.#tooMany(id); // invariant 3
  }

  #rowOf(raw: SqlRow, id: string): unknown {
    const row: SqlRow = {};
    for (const name of this.#names) row[name] = raw[name];
    const { shape } = this.#reading;
    if (shape.kind === 'columns') return row;
    const parsed = shape.schema.safeParse(row);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const column = String(issue?.path[0] ?? '');
    throw new DruidSourceRecordError(
      `The row that a lookup found for key ${shown(id)} does not fit the schema: column '${column}': ${issue?.message ?? ''}. Correct the schema, or leave such rows out in 'from'.`,
      { details: { key: shown(id), column }, cause: parsed.error },
    );
  }

  #entryOf(id: string, found: FoundRow[]): LookupEntry<Row> {
    if (this.#reading.match !== 'version')
      return { rows: found.map(({ row }) => row as Row), valid: undefined };
    found.sort((a, b) => a.validFrom - b.validFrom);
    for (let i = 1; i < found.length; i++) {
      const { validFrom } = found[i]!;
      if (found[i - 1]!.validFrom === validFrom) throw this.#ambiguous(id, validFrom);
    }
    return {
      rows: found.map(({ row }) => row as Row),
      valid: found.map(({ validFrom, validTo }) => ({ from: validFrom, to: validTo })),
    };
  }

  #tooMany(id: string): DruidSourceRecordError {
    const { match, maxRowsPerKey } = this.#reading;
    const remedy =
      match === 'one'
        ? "Use match: 'all' or 'version', or make it one row by grouping in 'from'."
        : "Narrow 'from', or raise 'maxRowsPerKey'.";
    return new DruidSourceRecordError(
      `A lookup found more than ${maxRowsPerKey} row${maxRowsPerKey === 1 ? '' : 's'} for key ${shown(id)}. ${remedy}`,
      { details: { key: shown(id), maxRowsPerKey } },
    );
  }

  /** With declared columns the client has refused it already. */
  #untimed(id: string): DruidSourceRecordError {
    const { versionColumn } = this.#reading.version!;
    return new DruidSourceRecordError(
      `A lookup found a row for key ${shown(id)} that does not say from when it is valid (${versionColumn} is null; '${versionAlias}' in the query). Leave such rows out in 'from', or give them a time.`,
      { details: { key: shown(id), column: versionColumn } },
    );
  }

  #ambiguous(id: string, validFrom: number): DruidSourceRecordError {
    const { versionColumn } = this.#reading.version!;
    const at = new Date(validFrom).toISOString();
    return new DruidSourceRecordError(
      `A lookup found two versions for key ${shown(id)} that are valid from the same moment (${versionColumn} = ${at}), and cannot tell which is the later one. Group by key and ${versionColumn} in 'from'.`,
      { details: { key: shown(id), validFrom: at } },
    );
  }

  #unasked(id: string): DruidSourceRecordError {
    const names = this.#reading.keys.columns.map(([name]) => `'${name}'`).join(', ');
    return new DruidSourceRecordError(
      `A lookup by ${names} was answered with a row of key ${shown(id)}, which it had not asked for. A key column has to be of the declared type, and a multi-value column cannot be one: UNNEST it in 'from'.`,
      { details: { key: shown(id) } },
    );
  }
}

/** As text a key has all its digits, whatever `int64` says about the other columns. */
function keyText(name: string, type: LookupKeyType): SqlFragment {
  const column = sql.identifier(name);
  return type === 'long' ? sql`CAST(${column} AS VARCHAR)` : column;
}

/** A TIMESTAMP as epoch milliseconds; a LONG is taken for them. */
function millisOf(name: string, sqlType: string | undefined): SqlFragment {
  const column = sql.identifier(name);
  return sqlType === 'BIGINT' ? column : sql`TIMESTAMP_TO_MILLIS(${column})`;
}

function aliased(expression: SqlFragment, alias: string): SqlFragment {
  return sql`${expression} AS ${sql.identifier(alias)}`;
}

function shown(id: string): string {
  return JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id);
}
