/** `query` and `explain`. */
import type { SqlColumn } from '../sql-rows-format.js';
import type { Command } from './command.js';
import { prettyJson } from './json-text.js';
import { outputOf, outputOptions } from './output.js';
import { queryDetails, queryInputOf, queryOptions } from './query-input.js';
import { writeRows } from './row-formats.js';

const numbers: ReadonlySet<string | null> = new Set(['LONG', 'DOUBLE', 'FLOAT']);
const numberTypes: ReadonlySet<string | null> = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'FLOAT',
  'REAL',
  'DOUBLE',
  'DECIMAL',
]);

export const query: Command = {
  summary: 'runs SQL and prints its rows as they come',
  operands: '[SQL]',
  options: { ...queryOptions, ...outputOptions },
  details: `${queryDetails}

Integers have all their digits in every format. NaN, Infinity and -Infinity are text in JSON; an empty text is "" in CSV,
and null is nothing; arrays are JSON. Ctrl-C, or a reader that wants no more (head), cancels the query in Druid.
A result that breaks off ends with 1, and says after how many rows; json then lacks its ].`,
  prepare(args) {
    const input = queryInputOf(args);
    const output = outputOf(args);
    return async ({ druid, io, note }) => {
      const { sql, parameters } = await input.statement(io);
      let columns: readonly SqlColumn[] = [];
      const batches = druid.sql.stream(sql, {
        parameters,
        context: { sqlStringifyArrays: false, ...input.context },
        rowFormat: 'array',
        int64: 'bigint',
        onColumns: (found) => (columns = found),
        signal: io.signal,
      });
      const rows = { columns: () => columns.map(outputColumn), batches, nullText: 'NULL' };
      await writeRows(rows, io, output({ io, note }));
      return undefined;
    };
  },
};

function outputColumn({ name, nativeType, sqlType }: SqlColumn) {
  const isNumber = numbers.has(nativeType) && (sqlType === null || numberTypes.has(sqlType));
  return { name, isNumber, isWhole: sqlType === 'TIMESTAMP' || sqlType === 'DATE' };
}

export const explain: Command = {
  summary: 'shows how Druid would run SQL: its native queries, as JSON',
  operands: '[SQL]',
  options: queryOptions,
  details: `${queryDetails}\n\nLines in errors count the line EXPLAIN PLAN FOR before the statement.`,
  prepare(args) {
    const input = queryInputOf(args);
    return async ({ druid, io }) => {
      const { sql, parameters } = await input.statement(io);
      const { text, ...plan } = await druid.sql.explain(sql, {
        parameters,
        context: input.context,
        signal: io.signal,
      });
      // A plan that is no native query is text for people.
      await io.out(plan.queries === undefined ? `${text.trimEnd()}\n` : `${prettyJson(plan)}\n`);
      return undefined;
    };
  },
};
