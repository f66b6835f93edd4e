import type { DruidClient } from '@millrace/druid-client';

export interface IngestOptions {
  readonly dimensions: readonly unknown[];
  readonly maxRowsPerSegment?: number;
}

/** Appends rows (JSON texts with a `t`) to a datasource with daily segments and waits until queries see them. */
export async function append(
  druid: DruidClient,
  dataSource: string,
  rows: readonly string[],
  { dimensions, maxRowsPerSegment = 5_000_000 }: IngestOptions,
): Promise<void> {
  await runTask(druid, {
    type: 'index_parallel',
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: { column: 't', format: 'auto' },
        dimensionsSpec: { dimensions },
        granularitySpec: { segmentGranularity: 'DAY', queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data: rows.join('\n') },
        inputFormat: { type: 'json' },
        appendToExisting: true,
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic', maxRowsPerSegment } },
    },
  });
  await druid.datasources.waitUntilQueryable(dataSource);
}

export async function compactDay(druid: DruidClient, dataSource: string, interval: string): Promise<void> {
  await runTask(druid, {
    type: 'compact',
    dataSource,
    ioConfig: { type: 'compact', inputSpec: { type: 'interval', interval } },
    tuningConfig: { type: 'index_parallel' },
  });
}

async function runTask(druid: DruidClient, spec: { type: string; [key: string]: unknown }): Promise<void> {
  const { taskId } = await druid.tasks.submit(spec);
  const status = await druid.tasks.waitFor(taskId);
  if (status.statusCode !== 'SUCCESS')
    throw new Error(`Task ${taskId}: ${status.errorMsg ?? status.statusCode}`);
}
