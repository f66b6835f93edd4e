import type { SinkWriter } from '@millrace/core-stream';
import { DruidSinkConfigError, DruidSinkInvariantError } from '../errors.js';
import type { DruidSchema, MetricColumn } from '../schema/druid-schema.js';
import { rowEncoding, type EncodedRow, type RejectedValue } from '../schema/encoded-row.js';
import { RowEncoder } from '../schema/row-encoder.js';
import type { DruidRoutes } from '../spool/record-routes.js';
import { isFoldable } from './fold.js';
import { foldsOf, PartialRow, PartialRows } from './partial-rows.js';
import { PreAggregatingWriter } from './pre-aggregating-writer.js';

/** How rows are rolled up before they leave the process. */
export interface PreAggregateOptions {
  /** Partial rows that one writer holds at most; then all of them go on. Default 100,000. */
  readonly maxRows?: number;
}

/** What options of every mode have in common, as far as it concerns the roll-up. */
interface Options<T> {
  readonly schema: DruidSchema<T> | DruidRoutes<T>;
  readonly preAggregate?: boolean | PreAggregateOptions;
  readonly onLateRow?: unknown;
}

export interface PreAggregation<T, O> {
  /** The options of the mode that gets the partial rows. */
  readonly options: O;
  /** Puts a roll-up before a writer of that mode. */
  wrap(writer: SinkWriter<T>): SinkWriter<T>;
}

/**
 * The roll-up that `options` ask for, if any. Of many schemas those roll up that say so.
 * @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`)
 */
export function preAggregation<T, O extends Options<T>>(options: O): PreAggregation<T, O> | undefined {
  const { preAggregate = false, schema } = options;
  if (preAggregate === false) return undefined;
  const { maxRows = 100_000 } = preAggregate === true ? {} : preAggregate;
  if (!Number.isSafeInteger(maxRows) || maxRows < 1)
    reject('preAggregate.maxRows', String(maxRows), 'a number of rows, 1 or more');
  if (typeof options.onLateRow === 'function')
    reject('onLateRow', 'a function', "'fail' beside 'preAggregate': late rows would be sums of records");
  if (!('schemas' in schema)) {
    return {
      options: { ...options, schema: partialSchema(schema) },
      wrap: (writer) => {
        const rows = new PartialRows(schema);
        return new PreAggregatingWriter({ writer, rowsOf: () => rows, all: [rows], maxRows });
      },
    };
  }
  const { schemas, route } = schema as DruidRoutes<T>;
  const names = Object.keys(schemas).filter((name) => schemas[name]?.rollup === true);
  const partial = names.map((name) => [name, partialSchema(schemas[name]!)] as const);
  const routes: DruidRoutes<T> = {
    schemas: { ...schemas, ...Object.fromEntries(partial) },
    route: (record) => (record instanceof PartialRow ? record.route : route(record)),
  };
  return {
    options: { ...options, schema: routes },
    wrap: (writer) => {
      const byName = new Map(
        names.map((name) => [name, new PartialRows(schemas[name] as DruidSchema<T>, name)]),
      );
      const rowsOf = (record: T) => byName.get(route(record));
      return new PreAggregatingWriter({ writer, rowsOf, all: [...byName.values()], maxRows });
    },
  };
}

function reject(option: string, value: string, wanted: string): never {
  throw new DruidSinkConfigError(`Option '${option}' of the Druid sink is ${value}. Use ${wanted}.`, {
    details: { option, value },
  });
}

/** Counts the rows that the sink has written, as which they are proven to have arrived. */
export const ROW_COUNT = '__rows';

/**
 * The schema of partial rows of `schema`: metrics fold what is folded already. Records that are no rows pass through it, to be
 * rejected as ever.
 * @throws DruidSinkConfigError where the schema cannot be rolled up in parts
 */
export function partialSchema<T>(schema: DruidSchema<T>): DruidSchema<T> {
  requireFoldable(schema);
  const metrics = schema.metrics.map(({ name, spec }): MetricColumn => {
    if (spec.type === 'count') return { name, spec: { type: 'longSum', field: name } };
    return isFoldable(spec) ? { name, spec: { ...spec, field: name } } : { name, spec };
  });
  return {
    ...schema,
    metrics: [...metrics, { name: ROW_COUNT, spec: { type: 'count' } }],
    [rowEncoding]: partialEncoding(schema),
  };
}

function partialEncoding<T>(schema: DruidSchema<T>) {
  const encoder = new RowEncoder(schema);
  const folds = foldsOf(schema).map(({ name, encode }) => ({ prefix: `,${JSON.stringify(name)}:`, encode }));
  return (record: unknown, row: EncodedRow): RejectedValue | undefined => {
    if (record instanceof PartialRow) {
      let text = record.key;
      for (let index = 0; index < folds.length; index++) {
        const value = record.values[index] ?? null;
        if (value !== null) text += folds[index]!.prefix + folds[index]!.encode(value);
      }
      row.text = text;
      row.time = record.time;
      return undefined;
    }
    const rejected = encoder.encode(record as T, row);
    if (rejected !== undefined) return rejected;
    throw new DruidSinkInvariantError('A record that is a row was not rolled up. Please report this.', {
      details: { invariant: 2 },
    });
  };
}

function requireFoldable<T>(schema: DruidSchema<T>): void {
  const { dataSource, rollup, metrics, dimensions } = schema;
  const quantiles = metrics.find(({ spec }) => spec.type === 'quantilesDoublesSketch');
  const taken = [...dimensions, ...metrics].some(({ name }) => name === ROW_COUNT);
  const sketched = metrics.flatMap(({ spec }) =>
    spec.type === 'count' || isFoldable(spec) ? [] : [spec.field],
  );
  const clash = metrics.find(({ name, spec }) => isFoldable(spec) && sketched.includes(name));
  const folds = foldsOf(schema).map(({ name }) => name);
  const cut = metrics.find(({ name, spec }) => isFoldable(spec) && !folds.includes(name));
  const problem = !rollup
    ? "does not say rollup: true, and rows that stay apart cannot be merged. Add it, or leave 'preAggregate' out"
    : quantiles !== undefined
      ? `has the metric '${quantiles.name}': a quantiles sketch needs every single value. Leave it, or 'preAggregate', out`
      : taken
        ? `has a column '${ROW_COUNT}', which the sink needs. Rename it`
        : clash !== undefined
          ? `has the metric '${clash.name}', and a sketch of the field '${clash.name}'. Rename the metric`
          : cut !== undefined
            ? `has the metric '${cut.name}' (${cut.spec.type}) of a field that is written as another type. Use one type for both`
            : undefined;
  if (problem === undefined) return;
  throw new DruidSinkConfigError(
    `Option 'preAggregate' does not go with the schema of '${dataSource}': it ${problem}.`,
    { details: { option: 'preAggregate', dataSource, column: quantiles?.name } },
  );
}
