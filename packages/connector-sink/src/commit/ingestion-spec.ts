import { createHash } from 'node:crypto';
import type { TaskSpec } from '@millrace/druid-client';
import type { SpoolCommittable } from './committable.js';
import type { MetricSpec } from '../schema/column-types.js';
import { dimensionSpecOf, type DimensionSpec } from '../schema/dimension-spec.js';
import type { DruidSchema } from '../schema/druid-schema.js';
import { TIME_COLUMN } from '../schema/row-encoder.js';
import { chunkOf, type Granularity, type TimeRange } from '../schema/time-chunks.js';

interface AggregatorSpec {
  readonly type: string;
  readonly name: string;
  readonly fieldName?: string;
}

/** Druid's `dataSchema`, as far as the sink uses it. Plain data: it travels in committables. */
export interface DataSchema {
  readonly dataSource: string;
  readonly timestampSpec: { readonly column: string; readonly format: 'millis' };
  readonly dimensionsSpec: { readonly dimensions: readonly DimensionSpec[] };
  readonly metricsSpec: readonly AggregatorSpec[];
  readonly granularitySpec: {
    readonly type: 'uniform';
    readonly segmentGranularity: string;
    readonly queryGranularity: string;
    readonly rollup: boolean;
  };
}

/** Druid's description of the schema's rows, with the commit id column where there is one. */
export function dataSchemaOf<T>(schema: DruidSchema<T>, commitIdColumn: string | null): DataSchema {
  const dimensions = schema.dimensions.map(dimensionSpecOf);
  if (commitIdColumn !== null) dimensions.push({ type: 'string', name: commitIdColumn });
  return {
    dataSource: schema.dataSource,
    timestampSpec: { column: TIME_COLUMN, format: 'millis' },
    dimensionsSpec: { dimensions },
    metricsSpec: schema.metrics.map(({ name, spec }) => aggregatorOf(name, spec)),
    granularitySpec: {
      type: 'uniform',
      segmentGranularity: schema.segmentGranularity.toUpperCase(),
      queryGranularity: schema.queryGranularity.toUpperCase(),
      rollup: schema.rollup,
    },
  };
}

function aggregatorOf(name: string, spec: MetricSpec): AggregatorSpec {
  return spec.type === 'count' ? { type: spec.type, name } : { type: spec.type, name, fieldName: spec.field };
}

/** Where a task reads its rows. */
export type SpoolInput =
  { readonly type: 'http'; readonly url: string } | { readonly type: 'inline'; readonly data: string };

export interface TaskSpecOptions {
  readonly id: string;
  readonly input: SpoolInput;
  /** How many rows that Druid cannot read are left out. Default 0: the first one ends the task. */
  readonly maxRejectedRows?: number;
  readonly taskContext?: Readonly<Record<string, unknown>>;
  readonly tuningConfig?: Readonly<Record<string, unknown>>;
}

/**
 * What a task keeps until it merges its segments is compressed quickly: Druid's `lz4` compresses as tightly as it can, which takes
 * a tenth of a task's time. The segments that it publishes are what they were.
 */
export const QUICK_INTERMEDIATES = {
  indexSpecForIntermediatePersists: { dimensionCompression: 'lzf', metricCompression: 'lzf' },
};

/** The task that appends one file to its datasource, its commit id in each row. */
export function appendTask(committable: SpoolCommittable, options: TaskSpecOptions): TaskSpec {
  const { dataSchema, chunks } = committable;
  const { input, maxRejectedRows = 0 } = options;
  return {
    type: 'index_parallel',
    id: options.id,
    // Append locks do not exclude each other: the tasks of one commit run side by side in the same interval.
    context: { useConcurrentLocks: true, ...options.taskContext },
    spec: {
      dataSchema: {
        ...dataSchema,
        ...commitIdTransform(committable),
        granularitySpec: {
          ...dataSchema.granularitySpec,
          // With intervals Druid reads the input once; without, a first pass looks for them.
          ...(chunks === null ? {} : { intervals: chunks.map(formatInterval) }),
        },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: input.type === 'http' ? { type: 'http', uris: [input.url] } : input,
        inputFormat: { type: 'json' },
        appendToExisting: true,
      },
      tuningConfig: {
        maxNumConcurrentSubTasks: 1,
        ...QUICK_INTERMEDIATES,
        ...options.tuningConfig,
        type: 'index_parallel',
        partitionsSpec: { type: 'dynamic' },
        // A cut connection looks like an unparseable row: where some are tolerated, the report has to prove each of them.
        maxParseExceptions: maxRejectedRows,
        maxSavedParseExceptions: Math.max(1, maxRejectedRows),
        logParseExceptions: true,
      },
    },
  };
}

/** One text for all rows of a file need not be in each of them. Rows that have it, of an earlier version, keep it. */
function commitIdTransform({ commitId, commitIdColumn }: SpoolCommittable): object {
  if (commitId === null) return {};
  // In base64url, or with an `r` behind: nothing to escape.
  const transform = { type: 'expression', name: commitIdColumn, expression: `'${commitId}'` };
  return { transformSpec: { transforms: [transform] } };
}

export function formatInterval({ start, end }: TimeRange): string {
  return `${new Date(start).toISOString()}/${new Date(end).toISOString()}`;
}

/** The time that a committable's rows occupy in Druid; `undefined` where that is all time. */
export function timeRangeOf({ dataSchema, minTime, maxTime }: SpoolCommittable): TimeRange | undefined {
  const granularity = dataSchema.granularitySpec.segmentGranularity.toLowerCase() as Granularity;
  if (granularity === 'all') return undefined;
  const start = chunkOf(granularity, minTime).start;
  const end = chunkOf(granularity, maxTime).end;
  // Beyond these years neither ISO texts nor SQL literals have the form that compares.
  return start >= Date.UTC(1000, 0) && end <= Date.UTC(9999, 0) ? { start, end } : undefined;
}

/** Where a committable comes from; the same after every restore. */
export interface CommittableOrigin {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly checkpointId: number;
  readonly subtaskIndex: number;
}

/**
 * The id of a committable's task, without its attempt. A function of the committable and its origin alone, so that every
 * process that commits it names the same task.
 */
export function taskBaseId(origin: CommittableOrigin, committable: SpoolCommittable): string {
  const hash = createHash('sha256')
    .update(
      JSON.stringify([
        origin.jobId,
        origin.operatorUid,
        origin.checkpointId,
        origin.subtaskIndex,
        committable.fileNumber,
        committable.file,
        committable.sha256,
      ]),
    )
    .digest('hex');
  const dataSource = committable.dataSchema.dataSource.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 60);
  return `millrace_${dataSource}_c${origin.checkpointId}_s${origin.subtaskIndex}_${hash.slice(0, 24)}`;
}

/** @example attemptId('millrace_flights_c7_s0_1f…', 2) // 'millrace_flights_c7_s0_1f…-a2' */
export function attemptId(baseId: string, attempt: number): string {
  return `${baseId}-a${attempt}`;
}
