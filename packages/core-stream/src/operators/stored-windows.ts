/**
 * How window operators store what they keep, and how one of them takes over what another one has stored: which of them runs
 * depends on the function, the lateness and where state is kept, and may change between two starts of a program.
 */
import { decodeState } from '../state/canonical-decoding.js';
import { encodeState, keyIdentity } from '../state/canonical-encoding.js';
import { keyGroupOf, subtaskOfKeyGroup } from '../state/key-groups.js';
import { Row, type StoredRow } from '../state/rows.js';
import type { AlignedWindows } from '../windows/aligned-windows.js';
import { TimeWindow, type Window } from '../windows/window.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import { WAKE_TABLES } from './window-wakes.js';
import type { WindowOperatorSnapshot } from './window-operator.js';
import type { WindowSlots } from './window-state.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

/** The tables of windows: each window operator has one. */
export type WindowStorage = 'panes' | 'slices' | 'sessions' | 'windows';

/** `panes`: one key in one window, whose start is the namespace. */
export interface StoredPane {
  readonly accumulator: unknown;
  /** Where it is among those that fire at the same time. */
  readonly order: number;
  readonly hasFired: boolean;
  readonly slots?: WindowSlots;
}

/** `sessions`: the namespace is a number that a session keeps while it grows. */
export interface StoredSession {
  readonly start: number;
  readonly end: number;
  readonly accumulator: unknown;
  readonly order: number;
  readonly hasFired: boolean;
}

/** `slices`: one key in one slice, whose start is the namespace. */
export interface StoredSlice {
  readonly accumulator: unknown;
  readonly order: number;
  /** Windows that end by then have been emitted; the subtask may have come further since. */
  readonly firedUntil: number;
}

/** What the operator of slices stores besides them. */
export interface SlicedSnapshot {
  readonly firedUntil: number;
}

/** `windows`: a key has one row, with one of these for each window. */
export interface StoredWindow {
  readonly window: unknown;
  /** Empty where the window has none. */
  readonly contents: readonly unknown[];
  readonly slots?: WindowSlots;
  readonly triggerSlots?: WindowSlots;
  /** Pairs of time and order: timers of one time fire in their order. */
  readonly eventTimers: readonly (readonly [at: number, order: number])[];
  readonly processingTimers: readonly (readonly [at: number, order: number])[];
}

/** What every one of them can be read as. Windows that may have state of a trigger are read by the general operator only. */
export interface TakenWindow {
  readonly key: unknown;
  readonly window: Window;
  /** What its contents are to be merged of, in order; each as it was stored. */
  readonly parts: readonly unknown[];
  readonly slots: WindowSlots | undefined;
  readonly order: number;
  readonly hasFired: boolean;
}

export interface TakeOptions {
  readonly context: FunctionOperatorContext;
  readonly restored: readonly WindowOperatorSnapshot[];
  readonly assigner: WindowAssigner<unknown, Window>;
  readonly allowedLatenessMs: number;
}

class TakenRow extends Row {
  readonly key: unknown;
  readonly namespace: unknown;

  constructor({ key, namespace }: StoredRow) {
    super();
    this.key = key;
    this.namespace = namespace;
  }
}

/** Takes over the windows in all tables but `own`, where they are removed; those that fire at one time in their order. */
export function takeWindows(own: WindowStorage, options: TakeOptions): readonly TakenWindow[] {
  const taken: TakenWindow[] = [];
  for (const table of new Set(options.restored.map(({ storage }) => storage))) {
    if (table === own) continue;
    taken.push(...readers[table](takeRows(table, options), options));
    if (table === 'windows') for (const wakes of WAKE_TABLES) takeRows(wakes, options);
  }
  return taken.sort((a, b) => a.order - b.order);
}

/** Removes them from the next checkpoint on. */
function takeRows(table: string, { context }: TakeOptions): readonly StoredRow[] {
  const rows = [...context.restoredRows(table)];
  const tracker = context.trackRows<TakenRow>({
    table,
    namespaceOf: ({ namespace }) => namespace,
    isGone: () => true,
    dataOf: () => undefined,
  });
  for (const stored of rows) {
    const row = new TakenRow(stored);
    tracker.restored(row);
    tracker.removed(row);
  }
  return rows;
}

type Reader = (rows: readonly StoredRow[], options: TakeOptions) => Iterable<TakenWindow>;

const readers: Record<WindowStorage, Reader> = {
  *panes(rows, { assigner }) {
    const { sizeMs } = assigner as unknown as AlignedWindows;
    for (const { key, namespace, data } of rows) {
      const start = namespace as number;
      const { accumulator, order, hasFired, slots } = data as StoredPane;
      const window = new TimeWindow(start, start + sizeMs);
      yield { key, window, parts: [accumulator], order, hasFired, slots };
    }
  },

  *sessions(rows) {
    for (const { key, data } of rows) {
      const { start, end, accumulator, order, hasFired } = data as StoredSession;
      const window = new TimeWindow(start, end);
      yield { key, window, parts: [accumulator], order, hasFired, slots: undefined };
    }
  },

  *windows(rows, { assigner }) {
    for (const { key, data } of rows) {
      for (const stored of data as readonly StoredWindow[]) {
        if (stored.contents.length === 0) continue;
        const window = assigner.windowType.decode(stored.window);
        const timers = assigner.isEventTime ? stored.eventTimers : stored.processingTimers;
        const due = timers.find(([at]) => at === window.maxTimestamp());
        yield {
          key,
          window,
          parts: stored.contents,
          slots: stored.slots,
          order: due?.[1] ?? 0,
          hasFired: due === undefined,
        };
      }
    }
  },

  *slices(rows, options) {
    const byKey = new Map<unknown, StoredRow[]>();
    for (const row of rows) {
      const identity = keyIdentity(row.key);
      const ofKey = byKey.get(identity);
      if (ofKey === undefined) byKey.set(identity, [row]);
      else ofKey.push(row);
    }
    for (const ofKey of byKey.values()) yield* windowsOfSlices(ofKey, options);
  },
};

/** The windows of one key. */
function* windowsOfSlices(rows: readonly StoredRow[], options: TakeOptions): Iterable<TakenWindow> {
  const { key } = rows[0]!;
  const windows = options.assigner as unknown as AlignedWindows;
  const firedUntil = firedUntilOf(rows, options);
  const taken = new Map<number, { window: TimeWindow; parts: unknown[]; order: number }>();
  for (const { namespace, data } of rows.toSorted((a, b) => Number(a.namespace) - Number(b.namespace))) {
    const { accumulator, order } = data as StoredSlice;
    for (const window of windows.windowsOf(namespace as number)) {
      if (window.maxTimestamp() + options.allowedLatenessMs <= firedUntil) continue;
      const known = taken.get(window.start);
      // The accumulator is in other windows too, and may be changed in place in each.
      const own = decodeState(encodeState(accumulator));
      if (known === undefined) taken.set(window.start, { window, parts: [own], order });
      else {
        known.parts.push(own);
        known.order = Math.min(known.order, order);
      }
    }
  }
  for (const one of taken.values()) {
    yield { key, ...one, hasFired: one.window.maxTimestamp() <= firedUntil, slots: undefined };
  }
}

/** Until when the windows of a key had been emitted, which has slices in `rows`. */
export function firedUntilOf(
  rows: readonly StoredRow[],
  { context, restored }: Pick<TakeOptions, 'context' | 'restored'>,
): number {
  const { maxParallelism } = context;
  const keyGroup = keyGroupOf(rows[0]!.key, maxParallelism);
  const { own } = restored[subtaskOfKeyGroup(keyGroup, restored.length, maxParallelism)]!;
  const known = rows.map(({ data }) => (data as StoredSlice).firedUntil);
  return Math.max((own as SlicedSnapshot).firedUntil, ...known);
}
