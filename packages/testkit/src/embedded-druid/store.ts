/**
 * The DuckDB database behind an embedded Druid: a connection for small writes, one that loads, a pool that reads.
 *
 * Invariants
 * 1. Everything that a task publishes (rows, segments, its final status) commits in one DuckDB transaction, so that
 *    after a crash a task has all its rows and SUCCESS, or none.
 * 2. Loads run one after the other (`load`), so segment numbers only grow and a query that knows the highest number of
 *    its catalog can exclude rows that are committed while it runs.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS druid_tasks (seq BIGINT, id VARCHAR, type VARCHAR, datasource VARCHAR, status VARCHAR,
     created_ms BIGINT, duration_ms BIGINT, error VARCHAR, payload VARCHAR, report VARCHAR)`,
  `CREATE TABLE IF NOT EXISTS druid_segments (no INTEGER, datasource VARCHAR, used BOOLEAN, detail VARCHAR)`,
  `CREATE TABLE IF NOT EXISTS druid_tables (name VARCHAR, datasource VARCHAR, columns VARCHAR)`,
  `CREATE TABLE IF NOT EXISTS druid_supervisors (id VARCHAR, spec VARCHAR)`,
];

/** Anything that can run a statement; a connection, narrowed. */
export type Connection = DuckDBConnection;

export class Store {
  /** A folder for input files; removed when the store closes. */
  readonly scratchDir: string;
  readonly #instance: DuckDBInstance;
  readonly #writer: Connection;
  readonly #loader: Connection;
  readonly #idle: Connection[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #loads: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(instance: DuckDBInstance, writer: Connection, loader: Connection, scratchDir: string) {
    this.#instance = instance;
    this.#writer = writer;
    this.#loader = loader;
    this.scratchDir = scratchDir;
  }

  /** Opens the database file in `dataDir`, or one in memory. */
  static async open(dataDir: string | undefined): Promise<Store> {
    if (dataDir !== undefined) await mkdir(dataDir, { recursive: true });
    const scratchDir = await mkdtemp(join(tmpdir(), 'embedded-druid-'));
    const path = dataDir === undefined ? ':memory:' : join(dataDir, 'druid.duckdb');
    // No look-ups outside this machine: neither extensions nor remote files are ever needed.
    const instance = await DuckDBInstance.create(path, {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      temp_directory: scratchDir,
    });
    const writer = await instance.connect();
    for (const statement of SCHEMA) await writer.run(statement);
    return new Store(instance, writer, await instance.connect(), scratchDir);
  }

  /** Runs `work` alone with the writing connection. */
  write<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const run = this.#tail.then(() => work(this.#writer));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Runs `work` alone inside one transaction, rolled back when it throws (invariant 1). */
  transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.write((connection) => inTransaction(connection, work));
  }

  /** Runs `work` alone with the connection that loads input (invariant 2): it stages, then publishes with {@link inTransaction}. */
  load<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const run = this.#loads.then(() => work(this.#loader));
    this.#loads = run.catch(() => undefined);
    return run;
  }

  /** A connection for reading or staging; give it back with {@link release}. */
  async acquire(): Promise<Connection> {
    return this.#idle.pop() ?? (await this.#instance.connect());
  }

  release(connection: Connection): void {
    if (this.#closed) connection.closeSync();
    else this.#idle.push(connection);
  }

  /** All rows of a small query. */
  async rows(sql: string, values?: DuckDBValue[]): Promise<DuckDBValue[][]> {
    const connection = await this.acquire();
    try {
      return (await connection.runAndReadAll(sql, values)).getRows();
    } finally {
      this.release(connection);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.all([this.#tail, this.#loads]);
    this.#closed = true;
    for (const connection of this.#idle) connection.closeSync();
    this.#loader.closeSync();
    this.#writer.closeSync();
    this.#instance.closeSync();
    await rm(this.scratchDir, { recursive: true, force: true });
  }
}

/** One transaction on `connection`, rolled back when `work` throws. */
export async function inTransaction<T>(
  connection: Connection,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  await connection.run('BEGIN TRANSACTION');
  try {
    const result = await work(connection);
    await connection.run('COMMIT');
    return result;
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** A DuckDB string literal, or an expression for the same text: its parser takes a zero byte for the end of the statement. */
export function quoted(text: string): string {
  const literal = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\0') ? `(${literal.replaceAll('\0', "' || chr(0) || '")})` : literal;
}
