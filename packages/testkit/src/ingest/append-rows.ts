import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

/** A Druid that rows are sent to: an `EmbeddedDruid`, a `DruidCluster`, or the address of one's own. */
export interface AppendTarget {
  /** The Router. */
  readonly url: string;
  readonly credentials?: { readonly authorization: string } | undefined;
}

/** A row: `__time` as ISO 8601 text or epoch milliseconds, and columns of text and numbers. */
export type AppendedRow = { readonly __time: string | number } & Readonly<
  Record<string, string | number | null>
>;

export interface AppendOptions {
  /** The time that a segment covers. Default `DAY`. */
  readonly segmentGranularity?: 'HOUR' | 'DAY' | 'MONTH' | 'YEAR' | 'ALL';
}

const POLL_MS = 20;

/**
 * Appends a few rows to a datasource, which is made if there is none, and waits until queries find them. Columns of whole numbers become
 * LONG, of other numbers DOUBLE, all others STRING. Not for two calls at a time on one datasource.
 *
 * @example
 * await appendRows(druid, 'flights', [{ __time: '2024-01-01T06:00', origin: 'SFO', delay: 12 }]);
 * @throws Error if Druid refuses the rows
 */
export async function appendRows(
  druid: AppendTarget,
  dataSource: string,
  rows: readonly AppendedRow[],
  { segmentGranularity = 'DAY' }: AppendOptions = {},
): Promise<void> {
  const { call, countRows } = clientOf(druid, dataSource);
  const before = await countRows();
  const id = `append_${dataSource}_${randomUUID()}`;
  const task = {
    type: 'index_parallel',
    id,
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: { column: '__time', format: 'auto' },
        dimensionsSpec: { dimensions: dimensionsOf(rows) },
        granularitySpec: { segmentGranularity, queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data: rows.map((row) => JSON.stringify(row)).join('\n') },
        inputFormat: { type: 'json' },
        appendToExisting: true,
      },
      // A row that is left out would be missed below, without a word why.
      tuningConfig: {
        type: 'index_parallel',
        partitionsSpec: { type: 'dynamic' },
        maxParseExceptions: 0,
      },
    },
  };
  const submit = () => call('/druid/indexer/v1/task', task);
  // A busy Derby makes Druid answer 500, whether it has taken the task or not: its id tells.
  await submit()
    .catch(submit)
    .catch((error: unknown) => {
      if (!String(error).includes('already exists')) throw error;
    });
  for (;;) {
    const { status } = (await call(`/druid/indexer/v1/task/${id}/status`)) as TaskAnswer;
    if (status.statusCode === 'SUCCESS') break;
    if (status.statusCode === 'FAILED') {
      throw new Error(
        `${dataSource} took no rows: ${status.errorMsg ?? 'the task failed'}. Look into the report of task ${id}.`,
      );
    }
    await pause(POLL_MS);
  }
  while ((await countRows()) < before + rows.length) await pause(POLL_MS);
}

interface TaskAnswer {
  readonly status: { readonly statusCode: string; readonly errorMsg?: string | null };
}

function dimensionsOf(rows: readonly AppendedRow[]): readonly { name: string; type: string }[] {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  names.delete('__time');
  return [...names].map((name) => {
    const values = rows.map((row) => row[name] ?? null).filter((value) => value !== null);
    if (values.length === 0 || !values.every((value) => typeof value === 'number')) {
      return { name, type: 'string' };
    }
    return { name, type: values.every((value) => Number.isInteger(value)) ? 'long' : 'double' };
  });
}

function clientOf({ url, credentials }: AppendTarget, dataSource: string) {
  const authorization = credentials && { authorization: credentials.authorization };
  async function call(path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${url}${path}`, {
      headers: { 'content-type': 'application/json', ...authorization },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Druid answered ${answer.status} to ${path}: ${text}`);
    return JSON.parse(text);
  }
  /** Rows in published segments that queries find. */
  async function countRows(): Promise<number> {
    const sums = await call('/druid/v2/sql', {
      query:
        'SELECT SUM(num_rows) FROM sys.segments WHERE datasource = ? AND is_published = 1 AND is_available = 1 AND is_overshadowed = 0',
      parameters: [{ type: 'VARCHAR', value: dataSource }],
      resultFormat: 'array',
    });
    return (sums as (number | null)[][])[0]?.[0] ?? 0;
  }
  return { call, countRows };
}
