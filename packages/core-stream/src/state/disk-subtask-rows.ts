/**
 * All rows of one subtask whose keyed rows are on disk; rows of other structures stay on the heap.
 *
 * Invariants
 * 1. A checkpoint's segment holds the rows as they were at its barrier, although it is made while the job goes on.
 */
import { SegmentBuilder, type SegmentContent, type TakenRows } from '../checkpoint/segment.js';
import { CheckpointError, InvariantError } from '../errors.js';
import { decodeState } from './canonical-decoding.js';
import { rowsOfTable } from './disk-keys.js';
import { DiskMapEntries } from './disk-map-entries.js';
import { DiskRows, type DiskRowsOptions } from './disk-rows.js';
import { fillTable } from './disk-fill.js';
import type { RowChange } from './disk-store.js';
import type { KeyedRowFormat, KeyedRows } from './keyed-rows.js';
import { mapEntryFormat, type MapEntries } from './map-entries.js';
import { decodeRowId, type Row, type RowSink, type StoredRow } from './rows.js';
import { SubtaskRows, type SubtaskRowsOptions } from './subtask-rows.js';

/** Changes that are read before others get their turn. */
const READ_TOGETHER = 512;

export interface DiskSubtaskRowsOptions extends SubtaskRowsOptions, Omit<DiskRowsOptions, 'table'> {
  readonly uid: string;
  /** Tables that the store has as the restored checkpoint has them. */
  readonly known: ReadonlySet<string>;
  /** Whether the store is as an earlier run on disk has left it at its checkpoint; one that it was filled from is not. */
  readonly isInPlace: boolean;
  /** Called before rows are stored that are not in the store. */
  onOtherRows(): void;
}

export class DiskSubtaskRows extends SubtaskRows {
  readonly #options: Omit<DiskSubtaskRowsOptions, 'restored'>;
  protected override readonly isOnDisk = true;
  protected override readonly isInPlace: boolean;
  readonly #tables = new Map<string, DiskRows<Row>>();
  readonly #numbers = new Map<number, string>();
  /** Segments that are being made. */
  readonly #pending = new Set<Promise<SegmentContent | undefined>>();
  #isClosed = false;

  constructor(options: DiskSubtaskRowsOptions) {
    super(options);
    const { restored: _, ...others } = options;
    this.#options = others;
    this.isInPlace = options.isInPlace;
  }

  get uid(): string {
    return this.#options.uid;
  }

  /** Tables of keyed rows that the operator has asked for. */
  get tables(): Iterable<string> {
    return this.#tables.keys();
  }

  override restored(table: string): Iterable<StoredRow> {
    return this.#options.known.has(table) ? this.#stored(table) : super.restored(table);
  }

  override keyed<R extends Row>(format: KeyedRowFormat<R>): KeyedRows<R> {
    return this.#rowsOf(format);
  }

  override mapEntries(): MapEntries {
    return new DiskMapEntries(this.#rowsOf(mapEntryFormat));
  }

  #rowsOf<R extends Row>(format: KeyedRowFormat<R>): DiskRows<R> {
    const { table: name } = format;
    if (this.#tables.has(name)) throw new InvariantError(`Rows '${name}' are asked for twice`);
    const { uid, store, known, writer, isRewriting } = this.#options;
    const table = store.table(uid, name);
    if (!known.has(name) && this.restoredRows !== undefined) {
      fillTable(store, table, this.restoredRows.entries(name), isRewriting === true ? writer : undefined);
    }
    const rows = new DiskRows(format, { ...this.#options, table });
    this.#tables.set(name, rows as unknown as DiskRows<Row>);
    this.#numbers.set(table, name);
    return rows;
  }

  *#stored(name: string): Iterable<StoredRow> {
    const { uid, store, keyGroups } = this.#options;
    const rows = rowsOfTable(store.table(uid, name), keyGroups);
    let after: Buffer | undefined;
    for (;;) {
      const part = store.scan(rows, { limit: READ_TOGETHER, after });
      for (const { id, data } of part) yield { ...decodeRowId(id), data: decodeState(data) };
      after = part.at(-1)?.key;
      if (part.length < READ_TOGETHER) return;
    }
  }

  /** What is written to the store here, and not taken, belongs to the checkpoint before: as what was evicted does. */
  override snapshot(checkpointId: number): () => TakenRows {
    if (this.hasTrackedChanges) this.#options.onOtherRows();
    const takeChanges = this.#flush();
    if (takeChanges === undefined) return super.snapshot(checkpointId);
    const builder = new SegmentBuilder(this.#options.maxParallelism);
    this.encodeTracked(builder);
    return () => {
      this.trackedTaken();
      const building = this.#build(builder, takeChanges(checkpointId)).finally(() =>
        this.#pending.delete(building),
      );
      building.catch(() => undefined); // who has asked for it is told
      this.#pending.add(building);
      return building;
    };
  }

  override snapshotTo(sink: RowSink): void {
    super.snapshotTo(sink);
    const changes = this.#flush()?.((this.#options.writer?.checkpointId ?? 0) + 1);
    for (const part of changes ?? []) {
      for (const { table, id, data } of part) {
        sink.add(this.#numbers.get(table)!, decodeRowId(id).key, id, data);
      }
    }
  }

  /** Returns what takes the changes of keyed rows; `undefined` where there are none, or nothing is stored. */
  #flush(): ((checkpointId: number) => Generator<readonly RowChange[]>) | undefined {
    const { writer, store } = this.#options;
    if (this.#tables.size === 0 || writer === undefined) return undefined;
    for (const rows of this.#tables.values()) rows.flushAll();
    return (checkpointId) => store.changes(writer, checkpointId, READ_TOGETHER); // invariant 1
  }

  async #build(
    builder: SegmentBuilder,
    changes: Generator<readonly RowChange[]>,
  ): Promise<SegmentContent | undefined> {
    try {
      for (const part of changes) {
        for (const { table, keyGroup, id, data } of part) {
          builder.addTo(this.#numbers.get(table)!, keyGroup, id, data);
        }
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#isClosed) throw new CheckpointError('The job ended while a checkpoint was being made.');
      }
      return builder.build();
    } finally {
      changes.return(undefined);
    }
  }

  /** Ends what is being made. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#pending);
  }
}
