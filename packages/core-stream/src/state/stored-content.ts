/** What rows of keyed state hold, for who reads them without being an operator. */
import type { StateKind } from './state.js';

/** What a row holds of one state. */
export interface StoredContent {
  readonly name: string;
  readonly version: number;
  /** As it is stored: with the times of a TTL. */
  readonly content: unknown;
}

/** All states of the key of a row. */
export function* contentsOf(data: unknown): Iterable<StoredContent> {
  const stored = data as readonly unknown[];
  for (let i = 0; i < stored.length; i += 3) {
    yield { name: stored[i] as string, version: stored[i + 1] as number, content: stored[i + 2] };
  }
}

/** The content without the times of a TTL, as a handle would give it: what has expired by now included. */
export function withoutTimes(kind: StateKind, hasTtl: boolean, content: unknown): unknown {
  if (!hasTtl) return content;
  switch (kind) {
    case 'value':
    case 'reducing':
    case 'aggregating':
      return (content as { readonly value: unknown }).value;
    case 'list':
      return (content as { readonly values: readonly unknown[] }).values;
    case 'map':
      return new Map(
        [...(content as ReadonlyMap<unknown, { readonly value: unknown }>)].map(([key, { value }]) => [
          key,
          value,
        ]),
      );
  }
}
