/** What windows and joins keep, found in the rows that they store it in. */
import type { SidedRecord } from '../functions/join-functions.js';
import type { StateSchemaInfo } from './checkpoint-data.js';

export const WINDOW_TABLES = ['panes', 'slices', 'sessions', 'windows'] as const;
const JOIN_TABLES = ['joined'] as const;

/** What a window operator or a join tells about itself. */
export type KeptInfo = StateSchemaInfo & { readonly kind: 'window' | 'join' };

export function isKept(info: StateSchemaInfo): info is KeptInfo {
  return info.kind === 'window' || info.kind === 'join';
}

export function tablesOf(kind: KeptInfo['kind']): readonly string[] {
  return kind === 'window' ? WINDOW_TABLES : JOIN_TABLES;
}

interface Sides {
  readonly left: readonly unknown[];
  readonly right: readonly unknown[];
}

/** Of each window, or of a join's key: its contents, or the records of one side, where there are any. */
export function* keptValues(table: string, data: unknown, name: string): Iterable<unknown> {
  for (const contents of contentsOf(table, data)) {
    const value = name === 'contents' ? contents : sideOf(contents, name as keyof Sides);
    if (name === 'contents' || (value as readonly unknown[]).length > 0) yield value;
  }
}

function contentsOf(table: string, data: unknown): readonly unknown[] {
  switch (table) {
    case 'windows':
      return (data as readonly { readonly contents: readonly unknown[] }[]).flatMap(
        ({ contents }) => contents,
      );
    case 'joined': {
      const [left, right] = data as readonly [unknown, unknown];
      return [{ left, right }];
    }
    default:
      return [(data as { readonly accumulator: unknown }).accumulator];
  }
}

function sideOf(contents: unknown, side: keyof Sides): readonly unknown[] {
  if (!Array.isArray(contents)) return (contents as Sides)[side];
  // With an evictor: all records in the order in which they came, with their times.
  return (contents as readonly { readonly value: SidedRecord<unknown, unknown> }[])
    .filter(({ value }) => value.side === side)
    .map(({ value }) => value.value);
}
