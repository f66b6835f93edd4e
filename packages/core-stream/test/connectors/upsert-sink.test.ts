import fc from 'fast-check';
import sqlite from 'node-sqlite3-wasm';
import { afterEach, describe, expect, it } from 'vitest';
import type { SinkWriterContext } from '../../src/connectors/sink.js';
import { sqlUpsert } from '../../src/connectors/sql-upsert.js';
import {
  UpsertSink,
  type SqlRow,
  type UpsertConnection,
  type UpsertSinkOptions,
} from '../../src/connectors/upsert-sink.js';
import { AsyncRetryStrategies } from '../../src/functions/async-retry.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { createGate, failureOf, quiet, turn } from '../support/conditions.js';
import { Random } from '../support/random.js';
import { SinkRuns, writerContext } from '../support/sink-runs.js';

interface Total {
  readonly shop: string;
  readonly total: number;
}

const statement = sqlUpsert({
  table: 'totals',
  columns: ['shop', 'total'],
  keyColumns: ['shop'],
  dialect: 'sqlite',
});

const databases: sqlite.Database[] = [];
afterEach(() => databases.splice(0).forEach((database) => database.close()));

function createDatabase(): sqlite.Database {
  const database = new sqlite.Database();
  databases.push(database);
  database.exec('CREATE TABLE totals (shop TEXT PRIMARY KEY, total INTEGER NOT NULL)');
  return database;
}

const rowsOf = (database: sqlite.Database) => database.all('SELECT shop, total FROM totals ORDER BY shop');

function connectionTo(database: sqlite.Database): UpsertConnection {
  const upsert = database.prepare(statement.sql);
  return {
    execute(_sql, rows) {
      database.exec('BEGIN');
      try {
        for (const row of rows) upsert.run(row as sqlite.BindValues);
        database.exec('COMMIT');
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
  };
}

/** A writer whose batches are recorded; `before` can hold or break one. */
async function open(
  options: Partial<UpsertSinkOptions<Total>> = {},
  before = (_rows: readonly SqlRow[]) => turn(),
) {
  const clock = new ManualClock();
  const batches: (readonly SqlRow[])[] = [];
  const connections = { made: 0, closed: 0 };
  const abort = new AbortController();
  const sink = new UpsertSink<Total>({
    statement,
    connect() {
      connections.made++;
      return {
        async execute(sql, rows) {
          expect(sql).toBe(statement.sql);
          batches.push(rows);
          await before(rows);
        },
        close: () => void connections.closed++,
      };
    },
    ...options,
  });
  const writer = await sink.createWriter(writerContext({ clock, signal: abort.signal }));
  const write = (shop: string, total: number) =>
    writer.write({ shop, total }, { timestamp: undefined, currentWatermark: 0 });
  return { clock, batches, connections, writer, write, abort };
}

describe('an upsert sink', () => {
  it('sends the last row of each key, when the batch is full', async () => {
    const { writer, write, batches } = await open({ batch: { maxRows: 2 } });
    write('a', 1);
    write('a', 2);
    expect(writer.backPressure?.()).toBeUndefined();
    write('b', 1);
    write('a', 3);
    expect(writer.backPressure?.()).toBeUndefined(); // it is on its way, and the next one is filled meanwhile
    await writer.flush(false);
    expect(batches).toEqual([
      [
        ['b', 1],
        ['a', 3],
      ],
    ]);
  });

  it('sends by size and by time too', async () => {
    const { clock, writer, write, batches } = await open({ batch: { maxBytes: 20, maxDelayMs: 100 } });
    write('a', 1);
    clock.advance(99);
    expect(batches).toEqual([]);
    clock.advance(1);
    await quiet(3);
    expect(batches).toEqual([[['a', 1]]]);
    write('b'.repeat(12), 2);
    expect(writer.backPressure?.()).toBeUndefined();
    await quiet(3);
    expect(batches).toHaveLength(2);
    clock.advance(1_000);
    await quiet(3);
    expect(batches).toHaveLength(2);
  });

  it('sends a row whose time has come while a batch was on its way, without another record', async () => {
    const gate = createGate();
    const { clock, writer, write, batches } = await open({ batch: { maxDelayMs: 100 } }, () => gate.opened);
    write('a', 1);
    clock.advance(100);
    await quiet(3);
    write('b', 1);
    clock.advance(100);
    gate.open();
    await quiet(5);
    expect(batches).toEqual([[['a', 1]], [['b', 1]]]);
    await writer.close();
  });

  it('holds the subtask back while one batch is on its way and the next is full', async () => {
    const gate = createGate();
    const { writer, write, batches } = await open({ batch: { maxRows: 1 } }, () => gate.opened);
    write('a', 1);
    expect(writer.backPressure?.()).toBeUndefined();
    write('b', 1);
    const room = writer.backPressure?.();
    expect(room).toBeInstanceOf(Promise);
    await quiet(3);
    expect(batches).toHaveLength(1);
    gate.open();
    await room;
    await writer.flush(true);
    expect(batches).toEqual([[['a', 1]], [['b', 1]]]);
  });

  it('repeats a batch over a new connection, and fails the job after the last attempt', async () => {
    let failures = 2;
    const retry = AsyncRetryStrategies.fixedDelay<never>({ maxAttempts: 3, delayMs: 10 });
    const { clock, writer, write, batches, connections } = await open({ retry }, () =>
      failures-- > 0 ? Promise.reject(new Error('the server is gone')) : turn(),
    );
    write('a', 1);
    const flushed = writer.flush(false);
    for (let attempt = 1; attempt < 3; attempt++) {
      await quiet(3);
      expect(batches).toHaveLength(attempt);
      clock.advance(10);
    }
    await flushed;
    expect(batches).toEqual([[['a', 1]], [['a', 1]], [['a', 1]]]);
    expect(connections).toEqual({ made: 3, closed: 2 });
    failures = 3;
    write('b', 1);
    const failure = failureOf(Promise.resolve(writer.flush(false)));
    for (let attempt = 0; attempt < 3; attempt++) {
      await quiet(3);
      clock.advance(10);
    }
    expect((await failure).message).toBe('writing 1 rows failed at attempt 3: the server is gone');
    write('c', 1);
    expect((await failureOf(writer.backPressure!()!)).message).toContain('the server is gone');
    await writer.close();
  });

  it('names the row that the database refuses (invariant 4)', async () => {
    const database = createDatabase();
    const retry = AsyncRetryStrategies.fixedDelay<never>({ maxAttempts: 1, delayMs: 0 });
    const { writer, write } = await open({ retry, connect: () => connectionTo(database) });
    for (const [shop, total] of [
      ['a', 1],
      ['b', null as never],
      ['c', 3],
    ] as const)
      write(shop, total);
    const { message, cause } = await failureOf(Promise.resolve(writer.flush(false)));
    expect(message).toMatch(
      /^writing 3 rows failed at attempt 1: .*NOT NULL.*\. Row 2 of them, with the key \["b"\], fails alone, too: .*NOT NULL/,
    );
    expect((cause as Error).message).toContain('NOT NULL');
    await writer.close();
  });

  it('goes on where the database takes the rows of a refused batch one by one', async () => {
    const retry = AsyncRetryStrategies.fixedDelay<never>({ maxAttempts: 1, delayMs: 0 });
    const { writer, write, batches } = await open({ retry }, (rows) =>
      rows.length > 1 ? Promise.reject(new Error('too many parameters')) : turn(),
    );
    write('a', 1);
    write('b', 2);
    await writer.flush(false);
    expect(batches.slice(1)).toEqual([[['a', 1]], [['b', 2]]]);
    await writer.close();
  });

  it('does not begin without a connection', async () => {
    const retry = AsyncRetryStrategies.fixedDelay<never>({ maxAttempts: 1, delayMs: 0 });
    const opening = open({ retry, connect: () => Promise.reject(new Error('no route to host')) });
    expect((await failureOf(opening)).message).toBe('connecting failed at attempt 1: no route to host');
  });

  it('stops waiting for another attempt when the job ends, and sends nothing more when it is closed', async () => {
    const { writer, write, batches, abort, connections } = await open({}, () =>
      Promise.reject(new Error('away')),
    );
    write('a', 1);
    const failure = failureOf(Promise.resolve(writer.flush(false)));
    await quiet(3);
    abort.abort(new Error('over'));
    expect((await failure).message).toBe('over');
    write('b', 1);
    await writer.close();
    expect(batches).toHaveLength(1);
    expect(connections).toEqual({ made: 1, closed: 1 });
  });

  it('refuses rows that the statement cannot take', async () => {
    const { write } = await open();
    expect(() => write('a', undefined as never)).toThrow("it has no 'total'; say null where there is none");
    expect(() => write(null as never, 1)).toThrow(
      "its key 'shop' is null, which is never the same as another",
    );
  });

  it('tells keys apart by all of their columns and their types', async () => {
    const sent: SqlRow[] = [];
    const sink = new UpsertSink<{ readonly key: SqlRow }>({
      statement: sqlUpsert({
        table: 't',
        columns: ['x', 'y'],
        keyColumns: ['x', 'y'],
        dialect: 'postgresql',
      }),
      connect: () => ({ execute: (_sql, rows) => void sent.push(...rows) }),
      row: ({ key }) => ({ x: key[0]!, y: key[1]! }),
    });
    const writer = await sink.createWriter(writerContext());
    const keys: SqlRow[] = [
      ['a', 'bc'],
      ['ab', 'c'],
      [1, '1'],
      ['1', 1],
      [1n, true],
      [new Date(0), new Uint8Array([1, 2])],
      [0, new Uint8Array([1]).subarray(0, 1)],
    ];
    for (const key of [...keys, ...keys])
      writer.write({ key }, { timestamp: undefined, currentWatermark: 0 });
    await writer.flush(true);
    expect(sent).toEqual(keys);
  });

  it('refuses options that make no sense', () => {
    const make = (options: Partial<UpsertSinkOptions<Total>>) => () =>
      new UpsertSink<Total>({ statement, connect: () => ({ execute: () => undefined }), ...options });
    expect(make({ batch: { maxRows: 0 } })).toThrow("'batch.maxRows'");
    expect(make({ batch: { maxBytes: 0.5 } })).toThrow("'batch.maxBytes'");
    expect(make({ batch: { maxDelayMs: 0 } })).toThrow("'batch.maxDelayMs'");
    expect(make({ statement: { ...statement, keyColumns: ['other'] } })).toThrow(
      "'other', which is none of its columns",
    );
  });
});

class Crash extends Error {}

describe('an upsert sink that crashes', () => {
  it('leaves the same table behind, whatever was written again', async () => {
    const crashes = fc.array(
      fc.record({ parallelism: fc.integer({ min: 1, max: 3 }), after: fc.integer({ max: 20, min: 0 }) }),
      {
        maxLength: 5,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 0, max: 120 }),
        crashes,
        async (seed, records, runs) => {
          const database = createDatabase();
          const random = new Random(seed);
          let left = 0;
          let life = 0;
          /** A batch is written or not, as a whole or in part, and the process does not get to know. */
          const connect = (_context: SinkWriterContext): UpsertConnection => {
            const own = life;
            const connection = connectionTo(database);
            return {
              async execute(sql, rows) {
                await turn();
                if (own !== life) throw new Crash();
                const isCrash = left-- <= 0;
                const written = isCrash ? rows.slice(0, random.below(rows.length + 1)) : rows;
                await connection.execute(sql, written);
                if (isCrash) throw new Crash();
              },
            };
          };
          const sink = new UpsertSink<number>({
            statement,
            connect,
            row: (n) => ({ shop: `shop ${n % 6}`, total: n }), // a key's records are of one subtask, at 1, 2 and 3
            batch: { maxRows: 1 + random.below(5) },
            retry: AsyncRetryStrategies.fixedDelay<never>({ maxAttempts: 1, delayMs: 0 }),
          });
          const job = new SinkRuns(sink as never, records);
          for (const { parallelism, after } of [...runs, { parallelism: 1, after: Infinity }]) {
            left = after;
            try {
              await job.run({ parallelism, clock: new ManualClock(), random });
            } catch (error) {
              if (!((error as Error).cause instanceof Crash)) throw error;
            }
            life++;
            await turn();
          }
          const expected = new Map<string, number>();
          for (let n = 0; n < records; n++) expected.set(`shop ${n % 6}`, n);
          expect(rowsOf(database)).toEqual([...expected].sort().map(([shop, total]) => ({ shop, total })));
        },
      ),
      { numRuns: 100 },
    );
  });
});
