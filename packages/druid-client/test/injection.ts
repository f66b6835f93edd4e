/** Attempts to get out of a value or a name, against a server that would run what got out. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { DruidRemoteError } from '../src/errors.js';
import type { DruidClient } from '../src/index.js';
import { sql } from '../src/sql-template.js';
import { load, uniqueName } from './load.js';

const attempts = [
  "x' OR 1=1 --",
  "x' OR '1'='1",
  "' OR ''='",
  "'; DROP TABLE t; --",
  "') UNION ALL SELECT 1 --",
  "\\' OR 1=1 --",
  'x\\',
  '" OR ""="',
  '" FROM sys.servers --',
  '"."',
  'a"b',
  '"',
  '""',
  "'",
  "''",
  '?',
  '? OR 1=1',
  ':name',
  '$1',
  '%s',
  '${1}',
  '{0}',
  '/*',
  '*/ OR 1=1 --',
  '--',
  '//',
  ';',
  'U&"\\0022',
  "U&'\\0027",
  '\n-- ',
  '\r\n',
  '\t',
  '\u2028',
  '\u2019 OR 1=1',
  '𝒳',
  '%',
  '_',
  'null',
];

const anyAttempt = fc
  .array(fc.oneof(fc.constantFrom(...attempts), fc.string({ unit: 'binary', maxLength: 5 })), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join(''));
// EmbeddedDruid loses a byte order mark at the beginning of a text.
const anyValue = anyAttempt.filter((value) => !value.startsWith('\ufeff'));
const anyName = anyAttempt.filter((name) => name !== '' && !/[\0\r\n]/.test(name));

/** Registers the attempts against a server; each property makes `numRuns` requests. */
export function describeInjection(getClient: () => DruidClient, numRuns = 60): void {
  describe('injection', () => {
    const table = uniqueName('hostile');
    const from = sql`FROM ${sql.identifier(table)}`;

    beforeAll(async () => {
      await load(getClient(), {
        datasource: table,
        dimensions: ['s', { type: 'long', name: 'id' }],
        lines: attempts.map((s, id) => JSON.stringify({ t: '2024-01-01T00:00:00Z', s, id })),
      });
    });

    const ids = async (condition: ReturnType<typeof sql>): Promise<unknown[]> => {
      const rows = await getClient().sql.query(sql`SELECT id ${from} WHERE ${condition}`, {
        rowFormat: 'array',
      });
      return rows.flat().sort((a, b) => Number(a) - Number(b));
    };
    const idsOf = (wanted: (value: string) => boolean): number[] =>
      attempts.flatMap((value, id) => (wanted(value) ? [id] : []));

    it('finds each value, and nothing else by it', async () => {
      for (const attempt of attempts) {
        expect([attempt, await ids(sql`s = ${attempt}`)]).toEqual([
          attempt,
          idsOf((value) => value === attempt),
        ]);
      }
    });

    it('compares with any value as a value', async () => {
      await fc.assert(
        fc.asyncProperty(anyValue, fc.array(anyValue, { minLength: 1, maxLength: 3 }), async (one, more) => {
          const list = [...more, attempts[0] as string];
          expect(await ids(sql`s = ${one} OR s IN (${sql.list(list)})`)).toEqual(
            idsOf((value) => value === one || list.includes(value)),
          );
        }),
        { numRuns },
      );
    });

    it('gives any value back as it was', async () => {
      await fc.assert(
        fc.asyncProperty(anyValue, async (value) => {
          expect(await getClient().sql.query(sql`SELECT ${value} AS v`)).toEqual([{ v: value }]);
        }),
        { numRuns },
      );
    });

    it('takes any name for a name: as an alias it comes back as it was', async () => {
      await fc.assert(
        fc.asyncProperty(anyName, async (name) => {
          expect(
            await getClient().sql.query(sql`SELECT id AS ${sql.identifier(name)} ${from} LIMIT 1`),
          ).toEqual([{ [name]: expect.any(Number) as unknown }]);
        }),
        { numRuns },
      );
    });

    it('takes any name for a name: of a table or column that does not exist', async () => {
      await fc.assert(
        fc.asyncProperty(anyName, fc.boolean(), async (name, isTable) => {
          const quoted = sql.identifier(name);
          const query = isTable ? sql`SELECT * FROM ${quoted}` : sql`SELECT ${quoted} ${from}`;
          const error = await getClient()
            .sql.query(query)
            .then(
              (rows) => new Error(`${rows.length} rows`),
              (reason: unknown) => reason,
            );
          if (!DruidRemoteError.is(error)) throw error;
          expect(error.details.druid.errorMessage).toMatch(/not found/);
        }),
        { numRuns },
      );
    });
  });
}
