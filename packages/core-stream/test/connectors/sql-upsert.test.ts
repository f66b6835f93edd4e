import sqlite from 'node-sqlite3-wasm';
import { describe, expect, it } from 'vitest';
import { sqlUpsert, type SqlUpsertOptions } from '../../src/connectors/sql-upsert.js';

const totals: SqlUpsertOptions = {
  table: 'totals',
  columns: ['shop', 'day', 'total'],
  keyColumns: ['shop', 'day'],
  dialect: 'sqlite',
};

describe('the statement of an upsert', () => {
  it('is what each database understands', () => {
    const update = 'ON CONFLICT ("shop", "day") DO UPDATE SET "total" = excluded."total"';
    expect(sqlUpsert(totals).sql).toBe(
      `INSERT INTO "totals" ("shop", "day", "total") VALUES (?, ?, ?) ${update}`,
    );
    expect(sqlUpsert({ ...totals, table: ['public', 'totals'], dialect: 'postgresql' }).sql).toBe(
      `INSERT INTO "public"."totals" ("shop", "day", "total") VALUES ($1, $2, $3) ${update}`,
    );
    expect(sqlUpsert({ ...totals, dialect: 'mysql' }).sql).toBe(
      'INSERT INTO `totals` (`shop`, `day`, `total`) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE `total` = VALUES(`total`)',
    );
  });

  it('leaves a row that is all key as it is', () => {
    const keys = { ...totals, columns: ['shop', 'day'] };
    expect(sqlUpsert(keys).sql).toMatch(/ON CONFLICT \("shop", "day"\) DO NOTHING$/);
    expect(sqlUpsert({ ...keys, dialect: 'mysql' }).sql).toMatch(
      /ON DUPLICATE KEY UPDATE `shop` = `shop`, `day` = `day`$/,
    );
  });

  it('takes names of any kind, as they are', () => {
    const names = ['a"b', 'c d', 'select', "e'f", 'ä;--'];
    const database = new sqlite.Database();
    try {
      const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
      database.exec(
        `CREATE TABLE ${quote('t"x')} (${names.map(quote).join(', ')}, PRIMARY KEY (${quote('a"b')}))`,
      );
      const { sql } = sqlUpsert({ table: 't"x', columns: names, keyColumns: ['a"b'], dialect: 'sqlite' });
      database.run(sql, [1, 2, 3, 4, 5]);
      database.run(sql, [1, 6, 7, 8, 9]);
      expect(Object.values(database.get('SELECT * FROM "t""x"')!)).toEqual([1, 6, 7, 8, 9]);
    } finally {
      database.close();
    }
    expect(sqlUpsert({ ...totals, table: 'a`b', dialect: 'mysql' }).sql).toContain('INSERT INTO `a``b` (');
  });

  it('is refused without keys, with unknown ones, and for names that are none', () => {
    const make = (options: Partial<SqlUpsertOptions>) => () => sqlUpsert({ ...totals, ...options });
    expect(make({ keyColumns: [] })).toThrow("'keyColumns' of an upsert must name one column at least");
    expect(make({ keyColumns: ['x'] })).toThrow("'x', which is none of its columns shop, day, total");
    expect(make({ columns: ['a', 'a'], keyColumns: ['a'] })).toThrow("has 'a' twice");
    expect(make({ table: [] })).toThrow("'table' of an upsert must be a name");
    expect(make({ table: '' })).toThrow('A name of an upsert must not be empty');
    expect(make({ table: 'a\0b' })).toThrow('A name of an upsert');
  });
});
