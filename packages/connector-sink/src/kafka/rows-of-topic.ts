import type { DataSchema } from '../commit/ingestion-spec.js';
import { formatInterval } from '../commit/ingestion-spec.js';
import type { EncodedRow } from '../schema/encoded-row.js';
import { chunkOf } from '../schema/time-chunks.js';
import type { SpoolTarget } from '../spool/spool-target.js';
import type { KafkaRows } from './kafka-committable.js';
import type { RowBlock } from './row-transport.js';

/** All times that Druid knows. */
export const ETERNITY = '-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z';

/** A topic's partitions that are one writer's alone; at least one. */
export interface OwnPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface RowsOfTopicOptions extends OwnPartitions {
  readonly target: SpoolTarget;
  readonly commitIdColumn: string | null;
  /** A block ends with the row that reaches this many bytes. */
  readonly maxRecordBytes: number;
}

/** Rows for one datasource between two barriers, and the block that is being filled. */
export class RowsOfTopic {
  readonly #options: RowsOfTopicOptions;
  #block = '';
  #blockBytes = 0;
  #blocks = 0;
  #rows = 0;
  #bytes = 0;
  #minTime = Infinity;
  #maxTime = -Infinity;

  constructor(options: RowsOfTopicOptions) {
    this.#options = options;
  }

  /** Adds a row, whose end is `rowEnd`. True when the block is to be taken. */
  add(row: EncodedRow, rowEnd: string): boolean {
    this.#rows += 1;
    if (row.time < this.#minTime) this.#minTime = row.time;
    if (row.time > this.#maxTime) this.#maxTime = row.time;
    const text = row.text + rowEnd;
    this.#block += this.#block === '' ? text : `\n${text}`;
    this.#blockBytes += Buffer.byteLength(text) + 1;
    return this.#blockBytes > this.#options.maxRecordBytes;
  }

  /** What has gathered, if anything. */
  takeBlock(timestamp: number): RowBlock | undefined {
    if (this.#block === '') return undefined;
    const { topic, partitions } = this.#options;
    const value = Buffer.from(this.#block, 'utf8');
    this.#block = '';
    this.#blockBytes = 0;
    this.#bytes += value.length;
    return { topic, partition: partitions[this.#blocks++ % partitions.length]!, value, timestamp };
  }

  /** All rows since the last call, if any; their blocks are taken. */
  takeRows(
    commitId: string | null,
    endOffsets: Readonly<Record<string, KafkaRows['endOffsets']>>,
  ): KafkaRows | undefined {
    if (this.#rows === 0) return undefined;
    const { target, commitIdColumn, topic } = this.#options;
    const rows: KafkaRows = {
      dataSource: target.dataSchema.dataSource,
      rows: this.#rows,
      bytes: this.#bytes,
      commitId,
      commitIdColumn,
      countMetric: countMetricOf(target.dataSchema),
      interval: this.#interval(),
      endOffsets: endOffsets[topic] ?? {},
    };
    this.#rows = 0;
    this.#bytes = 0;
    this.#minTime = Infinity;
    this.#maxTime = -Infinity;
    return rows;
  }

  /** Chunks rather than times: Druid rounds times down, to the query granularity. */
  #interval(): string {
    const granularity = this.#options.target.segmentGranularity;
    if (granularity === 'all') return ETERNITY;
    return formatInterval({
      start: chunkOf(granularity, this.#minTime).start,
      end: chunkOf(granularity, this.#maxTime).end,
    });
  }
}

/** The metric that says how many rows were merged, where they are. */
function countMetricOf({ metricsSpec, granularitySpec }: DataSchema): string | null {
  if (!granularitySpec.rollup) return null;
  return metricsSpec.find(({ type }) => type === 'count')?.name ?? null;
}
