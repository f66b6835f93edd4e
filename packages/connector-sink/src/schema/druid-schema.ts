import type {
  CheckDimensions,
  Checked,
  CheckMetrics,
  CheckTimestamp,
  CheckUnit,
  ColumnTypes,
  DimensionType,
  MetricSpec,
  TimestampInput,
  TimestampUnit,
} from './column-types.js';
import type { EncodeRow, rowEncoding } from './encoded-row.js';
import type { TimestampFormat } from './encode-timestamp.js';
import { DruidSinkConfigError } from '../errors.js';
import { isWithin, requireGranularity, type Granularity } from './time-chunks.js';

/** A dimension: the record's field of the same name becomes the column. */
export interface DimensionColumn {
  readonly name: string;
  readonly type: DimensionType;
}

/** A metric, computed by Druid while it ingests. */
export interface MetricColumn {
  readonly name: string;
  readonly spec: MetricSpec;
}

declare const recordType: unique symbol;

/** How records of type `T` become rows of a datasource. Made by {@link druidSchema}; plain data at run time. */
export interface DruidSchema<T> {
  readonly dataSource: string;
  /** The record's field that becomes `__time`. */
  readonly timestampField: string;
  readonly timestampFormat: TimestampFormat;
  readonly dimensions: readonly DimensionColumn[];
  readonly metrics: readonly MetricColumn[];
  readonly rollup: boolean;
  readonly segmentGranularity: Granularity;
  readonly queryGranularity: Granularity | 'none';
  readonly [rowEncoding]?: EncodeRow;
  readonly [recordType]?: (record: T) => void;
}

/** What {@link druidSchema} takes. `K`, `U`, `D` and `M` are inferred from the object and checked against the record `T`. */
export interface DruidSchemaInput<T, K, U, D, M> {
  readonly dataSource: string;
  /**
   * A field of the record: epoch milliseconds, a `Date`, or an ISO 8601 string (without a zone it means UTC). Other units are
   * said: `{ field: 'at', unit: 'nanos' }`.
   */
  readonly timestamp: Checked<K, CheckTimestamp<T, K>> | TimestampInput<Checked<K, CheckUnit<T, K, U>>, U>;
  /** Columns by name; each is the record's field of that name. The order is the order of Druid's columns. */
  readonly dimensions: Checked<D, CheckDimensions<T, D>>;
  /** Aggregates that Druid computes while it ingests. */
  readonly metrics?: Checked<M, CheckMetrics<T, M>>;
  /** Whether Druid merges rows with equal dimensions and (truncated) time. Default false. */
  readonly rollup?: boolean;
  /** The length of a segment's interval. */
  readonly segmentGranularity: Granularity;
  /** What `__time` is rounded down to. Default `none`: milliseconds are kept. */
  readonly queryGranularity?: Granularity | 'none';
}

/**
 * Describes how records become rows, checked against the record's type when compiled and for names when called.
 *
 * @example
 * interface Flight { date: number; origin: string; delay: number | null }
 * const flights = druidSchema<Flight>()({
 *   dataSource: 'flights',
 *   timestamp: 'date',
 *   dimensions: { origin: 'string', delay: 'long' },
 *   segmentGranularity: 'day',
 * });
 * @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) for names that Druid does not take and granularities it does not know
 */
export function druidSchema<T extends object>() {
  return <
    const K extends string,
    const U extends TimestampUnit,
    const D extends ColumnTypes,
    const M extends Readonly<Record<string, MetricSpec>> = Record<never, MetricSpec>,
  >(
    input: DruidSchemaInput<T, K, U, D, M>,
  ): DruidSchema<T> => {
    const dimensions = Object.entries(input.dimensions as ColumnTypes).map(([name, type]) => ({
      name,
      type,
    }));
    const metrics = Object.entries((input.metrics ?? {}) as Readonly<Record<string, MetricSpec>>).map(
      ([name, spec]) => ({ name, spec }),
    );
    const segmentGranularity = requireGranularity('segmentGranularity', input.segmentGranularity);
    const queryGranularity = input.queryGranularity ?? 'none';
    const timestamp = input.timestamp as string | TimestampInput;
    const { field: timestampField, ...timestampFormat } =
      typeof timestamp === 'string' ? { field: timestamp } : timestamp;
    requireUnit(timestampFormat);
    requireDataSourceName(input.dataSource);
    requireColumnNames([...dimensions, ...metrics].map(({ name }) => name));
    if (queryGranularity !== 'none') {
      requireGranularity('queryGranularity', queryGranularity);
      // Druid finds no segment for a row whose truncated time is in another one.
      if (!isWithin(queryGranularity, segmentGranularity)) {
        throw new DruidSinkConfigError(
          `Option 'queryGranularity' is '${queryGranularity}', which is not a part of 'segmentGranularity' ('${segmentGranularity}'). ` +
            `Choose longer segments or a finer query granularity.`,
          { details: { option: 'queryGranularity', value: queryGranularity } },
        );
      }
    }
    return {
      dataSource: input.dataSource,
      timestampField,
      timestampFormat,
      dimensions,
      metrics,
      rollup: input.rollup ?? false,
      segmentGranularity,
      queryGranularity,
    };
  };
}

function requireUnit({ unit }: TimestampFormat): void {
  const units = ['seconds', 'millis', 'micros', 'nanos', 'iso'];
  if (unit === undefined || units.includes(unit)) return;
  throw new DruidSinkConfigError(
    `Option 'timestamp.unit' is '${String(unit)}'. Use one of: ${units.join(', ')}.`,
    { details: { option: 'timestamp.unit', value: String(unit) } },
  );
}

function requireDataSourceName(name: string): void {
  // Druid's own rule (IdUtils.validateId): not empty, no leading dot, no slash, no white space but the space itself.
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name !== '' && !name.startsWith('.') && !/[/\t\n\v\f\r\u0000-\u001f\u007f]/.test(name)) return;
  throw new DruidSinkConfigError(
    `Option 'dataSource' is ${JSON.stringify(name)}; Druid takes no empty name, leading '.', '/' or control character.`,
    { details: { option: 'dataSource', value: name } },
  );
}

function requireColumnNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    const problem =
      name === '__time'
        ? `it is made from the option 'timestamp'; leave it out`
        : name === ''
          ? 'a column needs a name'
          : seen.has(name)
            ? 'it is both a dimension and a metric; rename the metric'
            : undefined;
    if (problem !== undefined) {
      throw new DruidSinkConfigError(`Column '${name}' cannot be part of the schema: ${problem}.`, {
        details: { column: name },
      });
    }
    seen.add(name);
  }
}
