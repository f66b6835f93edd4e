import type { DruidClient } from '../src/druid-client.js';

/** What is loaded into a new datasource. */
export interface Load {
  readonly datasource: string;
  /** Druid's dimension specifications, in order. */
  readonly dimensions: readonly unknown[];
  /** JSON objects, a line each. */
  readonly lines: readonly string[];
  /** Default DAY. */
  readonly segmentGranularity?: string;
  readonly timestampFormat?: 'iso' | 'millis';
  /** Default `t`. */
  readonly timestampColumn?: string;
}

/** Loads rows by a native batch task, and returns when they can be queried. */
export async function load(client: DruidClient, options: Load): Promise<void> {
  const { datasource, dimensions, lines, segmentGranularity = 'DAY' } = options;
  const { taskId } = await client.tasks.submit({
    type: 'index_parallel',
    id: `load-${datasource}`,
    spec: {
      dataSchema: {
        dataSource: datasource,
        timestampSpec: { column: options.timestampColumn ?? 't', format: options.timestampFormat ?? 'iso' },
        dimensionsSpec: { dimensions },
        granularitySpec: { segmentGranularity, queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data: lines.join('\n') },
        inputFormat: { type: 'json' },
      },
      tuningConfig: {
        type: 'index_parallel',
        partitionsSpec: { type: 'dynamic' },
        maxParseExceptions: 0, // a row that is left out is a failure
      },
    },
  });
  const { statusCode, errorMsg } = await client.tasks.waitFor(taskId, { pollIntervalMs: 20 });
  if (statusCode !== 'SUCCESS') throw new Error(`${datasource} was not loaded: ${errorMsg}`);
  await client.datasources.waitUntilQueryable(datasource, { pollIntervalMs: 50 });
}

/** A name that no other run has. */
export const uniqueName = (prefix: string): string => `${prefix}_${Math.random().toString(36).slice(2, 10)}`;
