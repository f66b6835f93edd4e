/** The windows of a key as the general operator stores them: one row. */
import { keyIdentity } from '../state/canonical-encoding.js';
import type { StoredRow } from '../state/rows.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { StoredWindow } from './stored-windows.js';
import { EMPTY, KeyWindows, WindowRecord } from './window-trigger-context.js';

type WindowType = WindowAssigner<unknown, Window>['windowType'];

export function storedWindowsOf({ records }: KeyWindows, windowType: WindowType): StoredWindow[] {
  return [...records.values()].map(({ window, contents, slots, trigger, eventTimers, processingTimers }) => ({
    window: windowType.encode(window),
    contents: contents === EMPTY ? [] : [contents],
    ...(slots === undefined ? {} : { slots }),
    ...(trigger.slots === undefined ? {} : { triggerSlots: trigger.slots }),
    eventTimers: eventTimers.map(({ at, order }) => [at, order]),
    processingTimers: processingTimers.map(({ at, order }) => [at, order]),
  }));
}

/** As they were stored: their timers are not set by that. */
export function keyWindowsOf({ key, data }: StoredRow, windowType: WindowType): KeyWindows {
  const windows = new KeyWindows(key, keyIdentity(key));
  windows.isKept = true;
  for (const stored of data as readonly StoredWindow[]) {
    const window = windowType.decode(stored.window);
    const record = new WindowRecord(windows, windowType.identityOf(window), window);
    windows.records.set(record.identity, record);
    if (stored.contents.length > 0) record.contents = stored.contents[0];
    record.slots = stored.slots;
    record.trigger.slots = stored.triggerSlots;
    record.eventTimers = stored.eventTimers.map(([at, order]) => ({ at, order }));
    record.processingTimers = stored.processingTimers.map(([at, order]) => ({ at, order }));
    // What comes back to memory has stored times already (`WindowWakes`).
    for (const { at } of record.eventTimers) windows.eventWakeAt = Math.min(at, windows.eventWakeAt);
    for (const { at } of record.processingTimers) {
      windows.processingWakeAt = Math.min(at, windows.processingWakeAt);
    }
  }
  return windows;
}
