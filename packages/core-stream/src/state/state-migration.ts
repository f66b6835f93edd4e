/** Brings what a slot of keyed state holds to another version of its schema: each value, element or map entry in it. */
import type { StateKind } from './state.js';

/** How a slot's content is laid out. */
export interface ContentLayout {
  readonly kind: StateKind;
  /** Whether values carry the times of a TTL. */
  readonly hasTtl: boolean;
}

interface Stamped {
  value: unknown;
  readonly touchedAt: number;
}

interface StampedList {
  readonly values: readonly unknown[];
  readonly touchedAt: readonly number[];
}

export function migrateContent(
  { kind, hasTtl }: ContentLayout,
  content: unknown,
  migrate: (old: unknown) => unknown,
): unknown {
  const one = (item: unknown): unknown => {
    if (!hasTtl) return migrate(item);
    const stamped = item as Stamped;
    return { ...stamped, value: migrate(stamped.value) };
  };
  switch (kind) {
    case 'value':
    case 'reducing':
    case 'aggregating':
      return one(content);
    case 'list': {
      if (!hasTtl) return (content as readonly unknown[]).map((item) => migrate(item));
      const list = content as StampedList;
      return { ...list, values: list.values.map((item) => migrate(item)) };
    }
    case 'map':
      return new Map([...(content as ReadonlyMap<unknown, unknown>)].map(([key, item]) => [key, one(item)]));
  }
}
