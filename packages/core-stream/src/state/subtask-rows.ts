/** All rows of one subtask of one operator: its trackers, and what a checkpoint holds for it. */
import { SegmentBuilder, type TakenRows } from '../checkpoint/segment.js';
import type { RestoredRows } from '../checkpoint/segment-reader.js';
import { InvariantError } from '../errors.js';
import type { OperatorContext } from '../operators/operator.js';
import { HeapRows, type KeyedRowFormat, type KeyedRows } from './keyed-rows.js';
import { KeyedState } from './keyed-state.js';
import { HeapMapEntries, mapEntryFormat, type MapEntries } from './map-entries.js';
import { SubtaskStates } from './subtask-states.js';
import { RowTracker, type Row, type RowFormat, type RowSink, type StoredRow } from './rows.js';

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

/** What an operator gets of its subtask's rows. */
export type RowAccess = Pick<
  OperatorContext,
  | 'trackRows'
  | 'restoredRows'
  | 'keyedRows'
  | 'createKeyedState'
  | 'isStateOnDisk'
  | 'isStateInPlace'
  | 'states'
>;

export class SubtaskRows {
  readonly #options: Omit<SubtaskRowsOptions, 'restored'>;
  protected readonly isOnDisk: boolean = false;
  protected readonly isInPlace: boolean = false;
  readonly states = new SubtaskStates();
  readonly #trackers = new Map<string, RowTracker<Row>>();
  readonly #keyed: { readonly size: number }[] = [];
  #restored: RestoredRows | undefined;

  constructor({ restored, ...options }: SubtaskRowsOptions) {
    this.#options = options;
    this.#restored = restored;
  }

  /** Gives up what was restored: the operator has been made, and has taken it over. */
  release(): void {
    this.#restored = undefined;
  }

  /** The tracker of one table; each table has one. */
  track<R extends Row>(format: RowFormat<R>): RowTracker<R> {
    if (this.#trackers.has(format.table))
      throw new InvariantError(`Rows '${format.table}' are tracked twice`);
    const { isEnabled, isRewriting } = this.#options;
    const tracker = new RowTracker<R>(format, isEnabled, isRewriting);
    this.#trackers.set(format.table, tracker as unknown as RowTracker<Row>);
    return tracker;
  }

  /** What the restored checkpoint holds of a table, for this subtask's key groups. */
  restored(table: string): Iterable<StoredRow> {
    return this.#restored?.rows(table) ?? [];
  }

  /** As they were stored; `undefined` on a fresh start, and after `release`. */
  protected get restoredRows(): RestoredRows | undefined {
    return this.#restored;
  }

  /** Whether rows of the operator's own structures have changed since the last snapshot. */
  protected get hasTrackedChanges(): boolean {
    for (const { size } of this.#trackers.values()) if (size > 0) return true;
    return false;
  }

  /** Rows by key, with the restored ones in them. */
  keyed<R extends Row>(format: KeyedRowFormat<R>): KeyedRows<R> {
    return new HeapRows(this.track(format), format, this.restored(format.table));
  }

  /** The entries of large maps, with the restored ones in them once they are filled. */
  mapEntries(): MapEntries {
    return new HeapMapEntries(this.track(mapEntryFormat), this.restored(mapEntryFormat.table));
  }

  get access(): RowAccess {
    const counted = <T extends { readonly size: number }>(rows: T): T => {
      this.#keyed.push(rows);
      return rows;
    };
    const keyedRows = <R extends Row>(format: KeyedRowFormat<R>): KeyedRows<R> => counted(this.keyed(format));
    const mapEntries = (): MapEntries => counted(this.mapEntries());
    return {
      trackRows: (format) => this.track(format),
      restoredRows: (table) => this.restored(table),
      keyedRows,
      createKeyedState: (restored, time) =>
        new KeyedState({ keyedRows, mapEntries }, restored, time, this.states),
      states: this.states,
      isStateOnDisk: this.isOnDisk,
      isStateInPlace: this.isInPlace,
    };
  }

  /** How many rows there are that are found by their key; `undefined` where the operator has no such rows. */
  get keyedSize(): number | undefined {
    return this.#keyed.length === 0 ? undefined : this.#keyed.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Encodes what has changed. It is taken when what this returns is called, in the same turn: until then nothing has been given
   * away. What is taken is `undefined` where nothing has changed; with state on disk it is read while the job goes on.
   *
   * @throws UnencodableRowError where a row holds what is not plain data
   */
  snapshot(_checkpointId: number): () => TakenRows {
    const builder = new SegmentBuilder(this.#options.maxParallelism);
    this.encodeTracked(builder);
    return () => {
      this.trackedTaken();
      return builder.build();
    };
  }

  /** As `snapshot`, and takes it. */
  snapshotTo(sink: RowSink): void {
    this.encodeTracked(sink);
    this.trackedTaken();
  }

  protected encodeTracked(sink: RowSink): void {
    for (const tracker of this.#trackers.values()) tracker.encode(sink);
  }

  protected trackedTaken(): void {
    for (const tracker of this.#trackers.values()) tracker.taken();
  }
}
