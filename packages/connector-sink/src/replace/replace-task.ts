import {
  replaceStatement,
  selectExtern,
  type ExternType,
  type PartitionedBy,
  type SqlFragment,
  type TaskSpec,
} from '@millrace/druid-client';
import { formatInterval, QUICK_INTERMEDIATES, type DataSchema } from '../commit/ingestion-spec.js';
import { DruidSinkConfigError } from '../errors.js';
import { TIME_COLUMN } from '../schema/row-encoder.js';
import type { ChunkRevision } from './chunk-committable.js';

/** Where a task reads a chunk's rows. */
export type ChunkInput =
  | { readonly type: 'http'; readonly uris: readonly string[] }
  | { readonly type: 'inline'; readonly data: string };

export interface ReplaceTaskOptions {
  readonly id: string;
  readonly input: ChunkInput;
  readonly taskContext: Readonly<Record<string, unknown>>;
  readonly tuningConfig: Readonly<Record<string, unknown>>;
}

/** The native batch task that puts a revision in the place of its chunk. */
export function replaceTask(
  { dataSchema, chunk }: ChunkRevision,
  { id, input, taskContext, tuningConfig }: ReplaceTaskOptions,
): TaskSpec {
  return {
    type: 'index_parallel',
    id,
    // An exclusive lock on the chunk, which is Druid's default: what is replaced is everything in it.
    context: { ...taskContext, useConcurrentLocks: false },
    spec: {
      dataSchema: {
        ...dataSchema,
        granularitySpec: { ...dataSchema.granularitySpec, intervals: [formatInterval(chunk)] },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: input,
        inputFormat: { type: 'json' },
        appendToExisting: false,
      },
      tuningConfig: {
        maxNumConcurrentSubTasks: 1,
        partitionsSpec: { type: 'dynamic' },
        ...QUICK_INTERMEDIATES,
        ...tuningConfig,
        type: 'index_parallel',
        // A cut connection looks like an unparseable row: any tolerance here would lose rows.
        maxParseExceptions: 0,
        logParseExceptions: true,
      },
    },
  };
}

/** The multi-stage query that does the same. */
export function replaceQuery({ dataSchema, chunk }: ChunkRevision, input: ChunkInput): SqlFragment {
  const { dataSource, dimensionsSpec, granularitySpec } = dataSchema;
  const signature: Record<string, ExternType> = { [TIME_COLUMN]: 'long' };
  for (const dimension of dimensionsSpec.dimensions) signature[dimension.name] = externType(dimension);
  return replaceStatement({
    into: dataSource,
    overwrite: { start: new Date(chunk.start), end: new Date(chunk.end) },
    query: selectExtern(
      { input: { inputSource: input }, signature },
      { column: TIME_COLUMN, format: 'millis' },
    ),
    partitionedBy: partitionedBy(granularitySpec.segmentGranularity),
  });
}

function externType(dimension: DataSchema['dimensionsSpec']['dimensions'][number]): ExternType {
  if (dimension.type === 'auto') return dimension.castToType as ExternType;
  return dimension.type === 'json' ? 'COMPLEX<json>' : dimension.type;
}

const periods: Readonly<Record<string, PartitionedBy>> = {
  SECOND: { period: 'PT1S' },
  MINUTE: { period: 'PT1M' },
  FIVE_MINUTE: { period: 'PT5M' },
  TEN_MINUTE: { period: 'PT10M' },
  FIFTEEN_MINUTE: { period: 'PT15M' },
  THIRTY_MINUTE: { period: 'PT30M' },
  HOUR: 'HOUR',
  SIX_HOUR: { period: 'PT6H' },
  EIGHT_HOUR: { period: 'PT8H' },
  DAY: 'DAY',
  WEEK: { period: 'P1W' },
  MONTH: 'MONTH',
  QUARTER: { period: 'P3M' },
  YEAR: 'YEAR',
};

function partitionedBy(granularity: string): PartitionedBy {
  return periods[granularity] ?? { period: granularity };
}

export interface TaskSlotsNeed extends Pick<ReplaceTaskOptions, 'taskContext' | 'tuningConfig'> {
  readonly via: 'native' | 'msq';
}

/** How many of Druid's task slots a task needs to come to its end, with the tasks that it begins itself. */
export function slotsPerTask({ via, taskContext, tuningConfig }: TaskSlotsNeed): number {
  // A controller and a worker, unless the context says otherwise.
  if (via === 'msq') return Number(taskContext['maxNumTasks'] ?? 2);
  const { maxNumConcurrentSubTasks = 1, partitionsSpec } = tuningConfig;
  const partitions = (partitionsSpec as { readonly type?: string } | undefined)?.type;
  const hasSubTasks =
    Number(maxNumConcurrentSubTasks) > 1 || partitions === 'range' || partitions === 'single_dim';
  return hasSubTasks ? 2 : 1;
}

/** @throws DruidSinkConfigError for a schema that a plain SELECT cannot write */
export function requireQueryable({ metricsSpec, granularitySpec }: DataSchema): void {
  const { queryGranularity, rollup } = granularitySpec;
  if (metricsSpec.length === 0 && !rollup && queryGranularity === 'NONE') return;
  throw new DruidSinkConfigError(
    `Option 'via' of the Druid sink is 'msq', which writes rows as they are; the schema has metrics, roll-up or a query ` +
      `granularity. Leave 'via' out: native tasks do that.`,
    { details: { option: 'via', value: 'msq' } },
  );
}
