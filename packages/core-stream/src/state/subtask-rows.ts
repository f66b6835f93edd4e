/** All rows of one subtask of one operator: its trackers, and what a checkpoint holds for it. */
import { SegmentBuilder, type SegmentContent } from '../checkpoint/segment.js';
import type { RestoredRows } from '../checkpoint/segment-reader.js';
import { InvariantError } from '../errors.js';
import { RowTracker, type Row, type RowFormat, type StoredRow } from './rows.js';

export interface SubtaskRowsOptions {
  /** Whether checkpoints are kept. */
  readonly isEnabled: boolean;
  /** Number of the operator's key groups. */
  readonly maxParallelism: number;
  /** Of this subtask's key groups; `undefined` on a fresh start. */
  readonly restored: RestoredRows | undefined;
  /** Whether all restored rows are to be stored anew. */
  readonly isRewriting?: boolean;
}

export class SubtaskRows {
  readonly #options: SubtaskRowsOptions;
  readonly #trackers = new Map<string, RowTracker<Row>>();

  constructor(options: SubtaskRowsOptions) {
    this.#options = options;
  }

  /** The tracker of one table; each table has one. */
  track<R extends Row>(format: RowFormat<R>): RowTracker<R> {
    if (this.#trackers.has(format.table)) throw new InvariantError(`Rows '${format.table}' are tracked twice`);
    const { isEnabled, isRewriting } = this.#options;
    const tracker = new RowTracker<R>(format, isEnabled, isRewriting);
    this.#trackers.set(format.table, tracker as unknown as RowTracker<Row>);
    return tracker;
  }

  /** What the restored checkpoint holds of a table, for this subtask's key groups. */
  restored(table: string): Iterable<StoredRow> {
    return this.#options.restored?.rows(table) ?? [];
  }

  /** What has changed since the last call; `undefined` where nothing has. */
  snapshot(): SegmentContent | undefined {
    const builder = new SegmentBuilder(this.#options.maxParallelism);
    for (const tracker of this.#trackers.values()) tracker.snapshot(builder);
    return builder.build();
  }
}
