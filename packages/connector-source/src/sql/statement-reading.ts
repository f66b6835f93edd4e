/**
 * Reads the pages of a statement's result. The loop around it is `split-reader.ts`.
 *
 * Invariant 1: a result never changes, and a page has as many rows as its status says (which the client checks): so a page
 *   that breaks off, or was begun before a restore, is read again and the rows that were handed on are passed over.
 */
import type { ReaderOutput, SourceReaderContext } from '@millrace/core-stream';
import { DruidRemoteError } from '@millrace/druid-client';
import { DruidSourceIncompleteError } from '../errors.js';
import type { QuestionTools } from '../scan-tools.js';
import type { OpenSplit, SplitReading } from '../split-reader.js';
import { pauseAfter } from './sql-fetch.js';
import { SqlRows, type SqlRowSettings } from './sql-rows.js';
import { requireSameStatement, type HeldRow } from './sql-split.js';
import { goneError } from './statement-enumerator.js';
import type { StatementSplit } from './statement-split.js';

export interface StatementReadingOptions {
  readonly context: SourceReaderContext;
  readonly rows: SqlRowSettings;
  readonly query: string;
  readonly maxAttempts: number;
}

type OpenPage = OpenSplit<StatementSplit>;

export class StatementReading<Row> implements SplitReading<
  Row,
  StatementSplit,
  OpenPage,
  readonly HeldRow[]
> {
  private readonly options: StatementReadingOptions;
  private readonly rows: SqlRows;

  constructor(options: StatementReadingOptions) {
    this.options = options;
    this.rows = new SqlRows(options.rows, options.context);
  }

  open(splits: readonly StatementSplit[]): OpenPage[] {
    for (const split of splits) requireSameStatement(split.query, this.options.query);
    return [...splits].sort((a, b) => a.page - b.page).map((split) => ({ split, position: split.position }));
  }

  async *fetch({ split }: OpenPage, tools: QuestionTools): AsyncGenerator<HeldRow[], void, undefined> {
    const { maxAttempts } = this.options;
    const { splitId, queryId, rows: expectedRows } = split;
    let delivered = split.position;
    for (let attempt = 1; delivered !== expectedRows; attempt++) {
      let seen = 0;
      try {
        for await (const batch of this.rows.readPage(tools.druid, split, tools.signal)) {
          const repeated = Math.min(batch.length, Math.max(0, delivered - seen)); // invariant 1
          seen += batch.length;
          if (expectedRows !== null && seen > expectedRows) throw surplusError(split, seen);
          if (repeated === batch.length) continue;
          delivered = seen;
          attempt = 1;
          yield repeated === 0 ? batch : batch.slice(repeated);
        }
        return;
      } catch (error) {
        if (DruidRemoteError.is(error) && error.details.status === 404) throw goneError(queryId, error);
        await pauseAfter(error, `${splitId} of ${queryId}`, attempt, maxAttempts, {
          ...tools,
          rows: this.rows,
        });
      }
    }
  }

  emit(
    open: OpenPage,
    rows: readonly HeldRow[],
    from: number,
    count: number,
    output: ReaderOutput<Row>,
  ): void {
    const { splitId } = open.split;
    for (let i = 0; i < count; i++) {
      const row = rows[from + i] as HeldRow;
      const record = this.rows.toRecord(row, splitId, open.position + i, output) as Row | undefined;
      if (record !== undefined) output.collect(record, this.rows.timeOf(row));
    }
  }

  rowsLeft({ split: { rows }, position }: OpenPage): number | undefined {
    return rows === null ? undefined : rows - position;
  }

  snapshot({ split, position }: OpenPage): StatementSplit {
    return { ...split, position };
  }
}

function surplusError({ splitId, queryId, rows }: StatementSplit, seen: number): DruidSourceIncompleteError {
  return new DruidSourceIncompleteError(
    `The ${splitId} of '${queryId}' has ${rows} rows according to its status but yields ${seen} or more. Start without this checkpoint.`,
    { details: { split: splitId, queryId, expected: rows ?? undefined, delivered: seen } },
  );
}
