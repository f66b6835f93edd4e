/** Reads `index_parallel` and `index` task specs; everything outside the supported subset is refused at submission. */

import { z } from 'zod';
import { notSupported, refusedSpec } from './druid-error.js';
import { type Granularity, parseGranularity } from './granularity.js';
import { type Interval, parseInterval, parseIsoTime } from './time-text.js';
import { type ColumnType, merge } from './timeline.js';

/** A dimension: the input field and the column have the same name. */
export interface DimensionSpec {
  name: string;
  type: ColumnType;
}

export type MetricKind = 'count' | 'sum' | 'min' | 'max';

/** A metric aggregated at ingestion; `field` is undefined for `count`. */
export interface MetricSpec {
  name: string;
  kind: MetricKind;
  type: ColumnType;
  field: string | undefined;
}

export type InputSource =
  | { type: 'inline'; data: string }
  | { type: 'http'; uris: string[]; headers: Record<string, string> }
  | { type: 'local'; files: string[]; baseDir: string | undefined; filter: string | undefined };

/** A checked ingestion task. */
export interface IngestionSpec {
  taskType: string;
  dataSource: string;
  timestamp: { column: string; format: 'auto' | 'iso' | 'millis' | 'posix'; missing: number | undefined };
  dimensions: DimensionSpec[];
  /** Fields that have the same value in every row, whatever the input says: transforms whose expression is a text. */
  constants: ReadonlyMap<string, string>;
  metrics: MetricSpec[];
  segmentGranularity: Granularity;
  queryGranularity: Granularity;
  rollup: boolean;
  intervals: Interval[];
  input: InputSource;
  append: boolean;
  dropExisting: boolean;
  maxRowsPerSegment: number;
  maxParseExceptions: number;
  maxSavedParseExceptions: number;
  context: Record<string, unknown>;
}

/** Druid's defaults (`DynamicPartitionsSpec`, `TuningConfig`). */
const DEFAULT_MAX_ROWS_PER_SEGMENT = 5_000_000;
const NO_LIMIT = 2_147_483_647;

const named = z.union([
  z.string(),
  z.looseObject({ type: z.string().optional(), name: z.string(), multiValueHandling: z.string().optional() }),
]);

const specShape = z.looseObject({
  dataSchema: z.looseObject({
    dataSource: z.string().nullish(),
    timestampSpec: z
      .looseObject({
        column: z.string().nullish(),
        format: z.string().nullish(),
        missingValue: z.string().nullish(),
      })
      .nullish(),
    dimensionsSpec: z
      .looseObject({
        dimensions: z.array(named).nullish(),
        includeAllDimensions: z.boolean().nullish(),
        useSchemaDiscovery: z.boolean().nullish(),
        spatialDimensions: z.array(z.unknown()).nullish(),
      })
      .nullish(),
    metricsSpec: z
      .array(z.looseObject({ type: z.string(), name: z.string(), fieldName: z.string().nullish() }))
      .nullish(),
    granularitySpec: z
      .looseObject({
        type: z.string().nullish(),
        segmentGranularity: z.unknown().optional(),
        queryGranularity: z.unknown().optional(),
        rollup: z.boolean().nullish(),
        intervals: z.union([z.string(), z.array(z.string())]).nullish(),
      })
      .nullish(),
    transformSpec: z
      .looseObject({ filter: z.unknown().optional(), transforms: z.array(z.unknown()).nullish() })
      .nullish(),
  }),
  ioConfig: z.looseObject({
    inputSource: z.looseObject({ type: z.string() }),
    inputFormat: z.looseObject({ type: z.string() }).nullish(),
    appendToExisting: z.boolean().nullish(),
    dropExisting: z.boolean().nullish(),
  }),
  tuningConfig: z
    .looseObject({
      partitionsSpec: z.looseObject({ type: z.string(), maxRowsPerSegment: z.number().nullish() }).nullish(),
      maxRowsPerSegment: z.number().nullish(),
      forceGuaranteedRollup: z.boolean().nullish(),
      maxParseExceptions: z.number().nullish(),
      maxSavedParseExceptions: z.number().nullish(),
      reportParseExceptions: z.boolean().nullish(),
    })
    .nullish(),
});

const METRICS: Record<string, { kind: MetricKind; type: ColumnType }> = {
  count: { kind: 'count', type: 'LONG' },
  longSum: { kind: 'sum', type: 'LONG' },
  longMin: { kind: 'min', type: 'LONG' },
  longMax: { kind: 'max', type: 'LONG' },
  doubleSum: { kind: 'sum', type: 'DOUBLE' },
  doubleMin: { kind: 'min', type: 'DOUBLE' },
  doubleMax: { kind: 'max', type: 'DOUBLE' },
  floatSum: { kind: 'sum', type: 'FLOAT' },
  floatMin: { kind: 'min', type: 'FLOAT' },
  floatMax: { kind: 'max', type: 'FLOAT' },
};

const CONSTRUCT_SCHEMA =
  'Cannot construct instance of `org.apache.druid.segment.indexing.DataSchema`, problem: ';
const CONSTRUCT_INLINE =
  'Cannot construct instance of `org.apache.druid.data.input.impl.InlineInputSource`, problem: ';

/** Refuses names with the message that Druid's `IdUtils.validateId` gives. */
export function checkId(label: string, value: string | null | undefined, construct: string): string {
  const refuse = (problem: string): never => {
    throw refusedSpec(`${construct}Invalid value for field [${label}]: ${problem}`);
  };
  if (value === null || value === undefined || value === '') return refuse('must not be null');
  if (value.startsWith('.')) return refuse(`Value [${value}] cannot start with '.'.`);
  if (value.includes('/')) return refuse(`Value [${value}] cannot contain '/'.`);
  if (/\s/.test(value.replaceAll(' ', ''))) {
    return refuse(`Value [${value}] contains illegal whitespace characters. Only space is allowed.`);
  }
  return value;
}

/**
 * Checks the `spec` of a task.
 *
 * @throws DruidHttpError 400 for specs that Druid refuses too, 501 for what this server does not implement.
 */
export function parseIngestionSpec(taskType: string, spec: unknown, context: unknown): IngestionSpec {
  const schema = (spec as { dataSchema?: { dataSource?: unknown } } | undefined)?.dataSchema;
  if (schema) checkId('dataSource', schema.dataSource as string | null, CONSTRUCT_SCHEMA);
  const parsed = specShape.safeParse(spec);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refusedSpec(`Cannot construct task, problem: [spec.${issue?.path.join('.')}] ${issue?.message}`);
  }
  const { dataSchema, ioConfig, tuningConfig } = parsed.data;
  const granularity: Partial<NonNullable<typeof dataSchema.granularitySpec>> =
    dataSchema.granularitySpec ?? {};
  const dynamic = tuningConfig?.partitionsSpec;
  if ((dynamic && dynamic.type !== 'dynamic') || tuningConfig?.forceGuaranteedRollup) {
    throw notSupported('A partitionsSpec other than dynamic');
  }
  if (granularity.type && granularity.type !== 'uniform')
    throw notSupported(`granularitySpec ${granularity.type}`);
  const { filter, transforms } = dataSchema.transformSpec ?? {};
  if (filter) throw notSupported('A transformSpec with a filter');
  const append = ioConfig.appendToExisting ?? false;
  const dropExisting = ioConfig.dropExisting ?? false;
  if (append && dropExisting) {
    throw refusedSpec(
      'Cannot both drop existing segments and append to existing segments. Either dropExisting or appendToExisting should be set to false',
    );
  }
  return {
    taskType,
    dataSource: dataSchema.dataSource as string,
    timestamp: parseTimestamp(dataSchema.timestampSpec ?? {}),
    dimensions: parseDimensions(dataSchema.dimensionsSpec ?? {}),
    constants: new Map((transforms ?? []).map(parseTransform)),
    metrics: (dataSchema.metricsSpec ?? []).map(parseMetric),
    segmentGranularity: parseSegmentGranularity(granularity.segmentGranularity ?? 'DAY'),
    queryGranularity: parseGranularity(granularity.queryGranularity ?? 'NONE') ?? unknownGranularity(),
    rollup: granularity.rollup ?? true,
    intervals: parseIntervals(granularity.intervals ?? []),
    input: parseInput(ioConfig.inputSource, ioConfig.inputFormat ?? undefined),
    append,
    dropExisting,
    maxRowsPerSegment:
      dynamic?.maxRowsPerSegment ?? tuningConfig?.maxRowsPerSegment ?? DEFAULT_MAX_ROWS_PER_SEGMENT,
    maxParseExceptions: tuningConfig?.reportParseExceptions
      ? 0
      : (tuningConfig?.maxParseExceptions ?? NO_LIMIT),
    maxSavedParseExceptions: tuningConfig?.maxSavedParseExceptions ?? 0,
    context: typeof context === 'object' && context !== null ? (context as Record<string, unknown>) : {},
  };
}

function parseTimestamp(spec: {
  column?: string | null | undefined;
  format?: string | null | undefined;
  missingValue?: string | null | undefined;
}): IngestionSpec['timestamp'] {
  const format = (spec.format ?? 'auto').toLowerCase();
  if (format !== 'auto' && format !== 'iso' && format !== 'millis' && format !== 'posix') {
    throw notSupported(`timestampSpec format [${spec.format}]`);
  }
  const missing = spec.missingValue ? parseIsoTime(spec.missingValue) : undefined;
  return { column: spec.column ?? 'timestamp', format, missing };
}

interface DimensionsShape {
  dimensions?: z.infer<typeof named>[] | null | undefined;
  includeAllDimensions?: boolean | null | undefined;
  useSchemaDiscovery?: boolean | null | undefined;
  spatialDimensions?: unknown[] | null | undefined;
}

function parseDimensions(spec: DimensionsShape): DimensionSpec[] {
  const list = spec.dimensions ?? [];
  if (list.length === 0 || spec.includeAllDimensions || spec.useSchemaDiscovery) {
    throw notSupported('Schema discovery (a dimensionsSpec without a list of dimensions)');
  }
  if (spec.spatialDimensions?.length) throw notSupported('A spatial dimension');
  return list
    .map((entry): DimensionSpec => {
      if (typeof entry === 'string') return { name: entry, type: 'STRING' };
      const type = (entry.type ?? 'string').toUpperCase();
      if (type === 'STRING' || type === 'LONG' || type === 'DOUBLE' || type === 'FLOAT') {
        return { name: entry.name, type };
      }
      throw notSupported(`Dimension type [${entry.type}] of [${entry.name}]`);
    })
    .filter(({ name }) => name !== '__time');
}

const textTransform = z.object({
  type: z.literal('expression'),
  name: z.string(),
  expression: z.string().regex(/^'[^'\\]*'$/),
});

function parseTransform(transform: unknown): [name: string, text: string] {
  const { data } = textTransform.safeParse(transform);
  if (data === undefined || data.name === '__time')
    throw notSupported('A transform other than a text for a column');
  return [data.name, data.expression.slice(1, -1)];
}

function parseMetric(spec: {
  type: string;
  name: string;
  fieldName?: string | null | undefined;
}): MetricSpec {
  const known = METRICS[spec.type];
  if (!known || 'expression' in spec) throw notSupported(`Metric type [${spec.type}] of [${spec.name}]`);
  if (known.kind !== 'count' && !spec.fieldName) {
    throw refusedSpec(
      `Cannot construct metric [${spec.name}], problem: Must have a valid, non-null fieldName or expression`,
    );
  }
  return {
    name: spec.name,
    ...known,
    field: known.kind === 'count' ? undefined : (spec.fieldName as string),
  };
}

function parseSegmentGranularity(value: unknown): Granularity {
  const granularity = parseGranularity(value) ?? unknownGranularity();
  if (granularity.kind !== 'period') throw notSupported(`segmentGranularity ${JSON.stringify(value)}`);
  return granularity;
}

function unknownGranularity(): never {
  throw notSupported('A granularity with an origin, a time zone or an unknown name');
}

function parseIntervals(value: string | string[]): Interval[] {
  const list = typeof value === 'string' ? [value] : value;
  return merge(
    list.map((text) => {
      const interval = parseInterval(text);
      if (!interval) throw refusedSpec(`Cannot construct granularitySpec, problem: [${text}] is no interval`);
      return interval;
    }),
  );
}

function parseInput(
  source: Record<string, unknown>,
  format: Record<string, unknown> | undefined,
): InputSource {
  if (format?.['type'] !== 'json') throw notSupported(`inputFormat [${String(format?.['type'])}]`);
  const flatten = format['flattenSpec'] as
    { useFieldDiscovery?: boolean; fields?: unknown[] } | null | undefined;
  if (flatten && ((flatten.fields?.length ?? 0) > 0 || flatten.useFieldDiscovery === false)) {
    throw notSupported('A flattenSpec with fields');
  }
  const features = format['featureSpec'] as object | null | undefined;
  if (features && Object.keys(features).length > 0) throw notSupported('A featureSpec');
  switch (source['type']) {
    case 'inline': {
      const { data } = source;
      if (typeof data !== 'string' || data === '') throw refusedSpec(`${CONSTRUCT_INLINE}empty data`);
      return { type: 'inline', data };
    }
    case 'http':
      return parseHttpInput(source);
    case 'local': {
      const files = Array.isArray(source['files']) ? source['files'].map(String) : [];
      const baseDir = typeof source['baseDir'] === 'string' ? source['baseDir'] : undefined;
      if (files.length === 0 && baseDir === undefined)
        throw refusedSpec('local inputSource needs baseDir or files');
      return {
        type: 'local',
        files,
        baseDir,
        filter: typeof source['filter'] === 'string' ? source['filter'] : undefined,
      };
    }
    default:
      throw notSupported(`inputSource [${String(source['type'])}]`);
  }
}

function parseHttpInput(source: Record<string, unknown>): InputSource {
  const uris = Array.isArray(source['uris']) ? source['uris'].map(String) : [];
  if (uris.length === 0) throw refusedSpec('Cannot construct http inputSource, problem: Empty URIs');
  const headers: Record<string, string> = {
    ...(source['requestHeaders'] as Record<string, string> | undefined),
  };
  const user = source['httpAuthenticationUsername'];
  const password = source['httpAuthenticationPassword'];
  if (typeof user === 'string') {
    const secret =
      typeof password === 'string' ? password : (password as { password?: string } | null)?.password;
    headers['authorization'] = `Basic ${Buffer.from(`${user}:${secret ?? ''}`).toString('base64')}`;
  }
  return { type: 'http', uris, headers };
}
