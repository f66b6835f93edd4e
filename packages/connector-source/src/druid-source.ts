import type {
  Boundedness,
  OutputTag,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import { DruidClient, type DruidClientOptions, type Int64Mode } from '@millrace/druid-client';
import type { z } from 'zod';
import { awaitColumnTypes } from './column-types.js';
import type { ColumnReading, DruidColumns } from './druid-columns.js';
import {
  checkedOptions,
  type CheckedOptions,
  type DruidRow,
  type DruidSourceOptions,
} from './druid-source-options.js';
import type { DruidSplit } from './druid-split.js';
import { proveExpectedRows } from './expected-rows.js';
import { limitSplits } from './limit-splits.js';
import { sideOutputsOf } from './invalid-rows.js';
import { createRowDecoder, readingsOf } from './row-decoder.js';
import {
  SegmentEnumerator,
  type DruidEnumeratorState,
  type SegmentEnumeratorOptions,
} from './segment-enumerator.js';
import { SegmentReading } from './segment-reading.js';
import { SplitReader, type OpenClient } from './split-reader.js';
import { virtualTypes } from './virtual-columns.js';

/**
 * Reads a Druid datasource as a stream: one split per published segment, each proven complete, resumable in the middle.
 * `__time` is the record's timestamp whether or not it is among the columns.
 *
 * @example
 * const source = new DruidSource({
 *   druid: { url: 'http://localhost:8888' },
 *   dataSource: 'airport_delays',
 *   columns: { __time: 'timestamp', origin: 'string', flights: 'long' },
 * }); // Source<{ __time: number; origin: string | null; flights: number | null }>
 * @throws DruidSourceConfigError
 */
export class DruidSource<
  C extends DruidColumns = never,
  S extends z.ZodObject = never,
  I extends Int64Mode = 'safe-number',
> implements Source<DruidRow<C, S, I>, DruidSplit, DruidEnumeratorState> {
  readonly boundedness: Boundedness;
  readonly sideOutputs: readonly OutputTag<unknown>[];
  private readonly openClient: OpenClient;
  private readonly options: CheckedOptions;

  constructor(options: DruidSourceOptions<C, S, I>) {
    this.options = checkedOptions(options);
    this.openClient = clientOpener(options.druid);
    this.sideOutputs = sideOutputsOf(this.options.onInvalidRow);
    this.boundedness = this.options.unbounded === undefined ? 'bounded' : 'unbounded';
  }

  createEnumerator(
    context: SplitEnumeratorContext<DruidSplit>,
    restored?: DruidEnumeratorState,
  ): SplitEnumerator<DruidSplit, DruidEnumeratorState> {
    const { openClient } = this;
    const { unbounded, query, settings, limit } = this.options;
    const { dataSource, range } = settings;
    const readings = { ...this.physicalReadings(), __time: 'timestamp' as const };
    const takeFirst: SegmentEnumeratorOptions['takeFirst'] =
      limit === undefined
        ? undefined
        : (splits, tools) => limitSplits(splits, limit, (split) => proveExpectedRows(split, settings, tools));
    return new SegmentEnumerator(
      { context, openClient, dataSource, readings, range, query, unbounded, takeFirst },
      restored,
    );
  }

  createReader(context: SourceReaderContext): SourceReader<DruidRow<C, S, I>, DruidSplit> {
    const { openClient } = this;
    const { shape, settings, onInvalidRow, query, openDataServer, maxBufferedRows } = this.options;
    const reading = new SegmentReading<DruidRow<C, S, I>>({
      context,
      settings,
      query,
      openDataServer,
      onInvalidRow,
      prepareDecoder: async (tools, onInvalid) => {
        const { int64, virtualColumns } = settings;
        const invalid = { isSetAside: onInvalidRow !== 'fail', onInvalidRow: onInvalid };
        if (shape.kind === 'columns') return createRowDecoder({ shape, int64, ...invalid });
        const sqlTypes = await awaitColumnTypes(this.physicalReadings(), settings, tools);
        for (const [column, sqlType] of virtualTypes(virtualColumns)) sqlTypes.set(column, sqlType ?? '');
        return createRowDecoder({ shape, sqlTypes, int64, ...invalid });
      },
    });
    return new SplitReader({ context, openClient, maxBufferedRows, reading });
  }

  /** How the columns that the datasource itself has to have are read. */
  private physicalReadings(): Record<string, ColumnReading> {
    const { shape, settings } = this.options;
    const virtual = virtualTypes(settings.virtualColumns);
    return Object.fromEntries(Object.entries(readingsOf(shape)).filter(([column]) => !virtual.has(column)));
  }
}

/** Lends the caller's client, or one of its own that `release` closes. */
export function clientOpener(druid: DruidClient | DruidClientOptions): OpenClient {
  if ('native' in druid) return () => ({ druid, release: () => undefined });
  return () => {
    const own = new DruidClient(druid);
    return { druid: own, release: () => own.close() };
  };
}
