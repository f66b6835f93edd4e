/** Reads segments: how the splits of `DruidSource` are fetched and become records. The loop around it is `split-reader.ts`. */
import type { ReaderOutput, SourceReaderContext } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { DataServers, type OpenDataServer } from './data-servers.js';
import { requireSameQuery, rowsLeft, splitsByTime, type DruidSplit } from './druid-split.js';
import { proveExpectedRows } from './expected-rows.js';
import { InvalidRows } from './invalid-rows.js';
import type { OnInvalidRow, RejectedRow, RowDecoder } from './row-decoder.js';
import {
  createScanMetrics,
  type QuestionTools,
  type ScanMetrics,
  type ScanSettings,
  type ScanTools,
} from './scan-tools.js';
import { scanSplit, type ScannedRows } from './segment-scan.js';
import type { OpenSplit, SplitReading } from './split-reader.js';

export interface SegmentReadingOptions<Row> {
  readonly context: SourceReaderContext;
  readonly settings: ScanSettings;
  readonly query: string;
  /** Default: the Broker's client at that address. */
  readonly openDataServer: OpenDataServer | undefined;
  readonly onInvalidRow: OnInvalidRow;
  /** Called once, before the first row is decoded. */
  readonly prepareDecoder: (
    tools: QuestionTools,
    onInvalidRow: (rejected: RejectedRow) => void,
  ) => Promise<RowDecoder<Row>>;
}

type OpenSegment = OpenSplit<DruidSplit>;

export class SegmentReading<Row> implements SplitReading<Row, DruidSplit, OpenSegment, ScannedRows> {
  private readonly options: SegmentReadingOptions<Row>;
  private readonly timeIndex: number;
  private readonly metrics: ScanMetrics;
  private decoder: RowDecoder<Row> | undefined;
  private dataServers: DataServers | undefined;
  private hasPrepared = false;
  private readonly invalid: InvalidRows<RejectedRow>;
  /** What is being emitted, for rows that do not fit. */
  private emitting:
    { readonly output: ReaderOutput<Row>; readonly timeOf: (position: number) => number } | undefined;

  constructor(options: SegmentReadingOptions<Row>) {
    this.options = options;
    this.metrics = createScanMetrics(options.context.metrics);
    this.invalid = new InvalidRows(options.onInvalidRow, options.context.metrics);
    this.timeIndex = options.settings.columns.indexOf('__time');
  }

  open(splits: readonly DruidSplit[]): OpenSegment[] {
    for (const split of splits) requireSameQuery(split.query, this.options.query);
    return splitsByTime(splits).map((split) => ({ split, position: split.position }));
  }

  async *fetch(
    open: OpenSegment,
    questionTools: QuestionTools,
  ): AsyncGenerator<ScannedRows, void, undefined> {
    const { settings } = this.options;
    const tools = await this.prepare(questionTools);
    const expectedRows = open.split.expectedRows ?? (await proveExpectedRows(open.split, settings, tools));
    open.split = { ...open.split, expectedRows };
    yield* scanSplit(open.split, expectedRows, settings, tools);
    this.metrics.segmentsRead.inc();
  }

  emit(
    open: OpenSegment,
    { batch }: ScannedRows,
    from: number,
    count: number,
    output: ReaderOutput<Row>,
  ): void {
    const decoder = this.decoder as RowDecoder<Row>; // there before the first row is fetched
    const { check } = decoder;
    const { splitId } = open.split;
    const end = from + count;
    const first = open.position - from;
    const timeOf = (position: number): number =>
      'records' in batch
        ? (batch.times[position - first] as number)
        : (batch.rows[position - first]?.[this.timeIndex] as number);
    this.emitting = { output, timeOf };
    if (!('records' in batch)) {
      for (let i = from; i < end; i++) {
        const values = batch.rows[i] as unknown[];
        const row = decoder.decode(values, splitId, first + i);
        if (row !== undefined) output.collect(row, values[this.timeIndex] as number);
      }
      return;
    }
    const { records, times } = batch;
    for (let i = from; i < end; i++) {
      const record = records[i];
      const row = check === undefined ? (record as Row) : check(record, splitId, first + i);
      if (row !== undefined) output.collect(row, times[i]);
    }
  }

  rowsLeft({ split, position }: OpenSegment): number {
    return rowsLeft(split, position);
  }

  snapshot({ split, position }: OpenSegment): DruidSplit {
    return { ...split, position };
  }

  close(): void {
    this.dataServers?.close();
  }

  private async prepare(tools: QuestionTools): Promise<ScanTools> {
    if (!this.hasPrepared) this.dataServers = this.openDataServers(tools.druid);
    this.hasPrepared = true;
    this.decoder ??= await this.options.prepareDecoder(tools, (rejected) => this.setAside(rejected));
    const { dataServers, metrics } = this;
    return { ...tools, dataServers, metrics, records: this.decoder.recordColumns };
  }

  private setAside(rejected: RejectedRow): void {
    const { output, timeOf } = this.emitting as NonNullable<typeof this.emitting>; // rows are checked while they are emitted
    this.invalid.take(rejected, rejected.segmentId, timeOf(rejected.position), output);
  }

  private openDataServers(broker: DruidClient): DataServers | undefined {
    const { context, openDataServer: open, settings } = this.options;
    const { clock, logger, subtaskIndex } = context;
    const { dataSource, path } = settings;
    if (path === 'broker') {
      logger.info('Druid segments are read through the Broker', { dataSource, path });
      return undefined;
    }
    const isRequired = path === 'direct';
    return new DataServers({ broker, open, dataSource, isRequired, subtaskIndex, clock, logger });
  }
}
