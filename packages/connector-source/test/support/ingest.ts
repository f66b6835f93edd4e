import { randomUUID } from 'node:crypto';
import type { DruidClient } from '@millrace/druid-client';

export interface IngestOptions {
  readonly dimensions: readonly unknown[];
  readonly maxRowsPerSegment?: number;
  /** Default: a day. */
  readonly segmentGranularity?: string;
  /** Druid's expressions, by the column they make. */
  readonly transforms?: Readonly<Record<string, string>>;
  /** When overwriting, an interval that is replaced in full, also where no row comes. */
  readonly dropExisting?: string;
}

/** Appends rows (JSON texts with a `t`) to a datasource with daily segments and waits until queries see them. */
export async function append(
  druid: DruidClient,
  dataSource: string,
  rows: readonly string[],
  options: IngestOptions,
): Promise<void> {
  const before = await loadedRows(druid, dataSource);
  await runTask(druid, ingestion(dataSource, rows, { ...options, appendToExisting: true }));
  while ((await loadedRows(druid, dataSource)) < before + rows.length) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Puts rows in the place of the days (or what granularity there is) that they lie in. */
export async function overwrite(
  druid: DruidClient,
  dataSource: string,
  rows: readonly string[],
  options: IngestOptions,
): Promise<void> {
  await runTask(druid, ingestion(dataSource, rows, { ...options, appendToExisting: false }));
}

function ingestion(
  dataSource: string,
  rows: readonly string[],
  options: IngestOptions & { readonly appendToExisting: boolean },
) {
  const {
    dimensions,
    maxRowsPerSegment = 5_000_000,
    transforms = {},
    segmentGranularity = 'DAY',
    appendToExisting,
    dropExisting,
  } = options;
  return {
    type: 'index_parallel',
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: { column: 't', format: 'auto' },
        dimensionsSpec: { dimensions },
        granularitySpec: {
          segmentGranularity,
          queryGranularity: 'NONE',
          rollup: false,
          ...(dropExisting !== undefined && { intervals: [dropExisting] }),
        },
        transformSpec: {
          transforms: Object.entries(transforms).map(([name, expression]) => ({
            type: 'expression',
            name,
            expression,
          })),
        },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data: rows.join('\n') },
        inputFormat: { type: 'json' },
        appendToExisting,
        dropExisting: dropExisting !== undefined,
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic', maxRowsPerSegment } },
    },
  };
}

export async function compactDay(druid: DruidClient, dataSource: string, interval: string): Promise<void> {
  await runTask(druid, {
    type: 'compact',
    dataSource,
    ioConfig: { type: 'compact', inputSpec: { type: 'interval', interval } },
    tuningConfig: { type: 'index_parallel' },
  });
}

/** Rows in published, loaded segments, as the Broker knows them. */
async function loadedRows(druid: DruidClient, dataSource: string): Promise<number> {
  const [row] = await druid.sql.query<{ n: number | null }>(
    `SELECT SUM(num_rows) AS n FROM sys.segments
     WHERE datasource = ? AND is_published = 1 AND is_overshadowed = 0 AND is_realtime = 0`,
    { parameters: [dataSource] },
  );
  return row?.n ?? 0;
}

/** Runs a task to its success. */
export async function runTask(
  druid: DruidClient,
  spec: { type: string; [key: string]: unknown },
): Promise<void> {
  // With an id of its own a submission may be repeated when its answer is lost.
  const { taskId } = await druid.tasks.submit({ ...spec, id: `test_${randomUUID()}` });
  const status = await druid.tasks.waitFor(taskId);
  if (status.statusCode !== 'SUCCESS')
    throw new Error(`Task ${taskId}: ${status.errorMsg ?? status.statusCode}`);
}
