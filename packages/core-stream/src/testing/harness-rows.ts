/** The rows that a harness' subtasks have stored: what a checkpoint storage keeps for a job. */
import type { SegmentRef } from '../checkpoint/checkpoint-data.js';
import type { SegmentContent } from '../checkpoint/segment.js';
import { readRows, type RestoredRows, type SegmentSource } from '../checkpoint/segment-reader.js';
import { InvariantError } from '../errors.js';

/** A segment in memory, and whose it is. */
export interface HarnessSegment {
  readonly uid: string;
  readonly ref: SegmentRef;
  readonly bytes: Uint8Array;
}

/** All segments of a harness, oldest first; those that it was restored from included. */
export class HarnessRows {
  readonly #segments: HarnessSegment[];

  constructor(restored: readonly HarnessSegment[]) {
    this.#segments = [...restored];
  }

  add(uid: string, { chunks, ...described }: SegmentContent): void {
    const ref = { id: String(this.#segments.length), ...described };
    this.#segments.push({ uid, ref, bytes: Buffer.concat(chunks) });
  }

  /** Later additions do not reach it. */
  snapshot(): readonly HarnessSegment[] {
    return [...this.#segments];
  }
}

/** The rows of `keyGroups` key groups, by uid. */
export async function restoredRows(
  segments: readonly HarnessSegment[],
  keyGroups: number,
): Promise<ReadonlyMap<string, RestoredRows>> {
  const source: SegmentSource = {
    location: 'memory',
    readSegment: (id, { offset, length }) => {
      const segment = segments.find(({ ref }) => ref.id === id);
      if (segment === undefined) throw new InvariantError(`The harness has no segment '${id}'`);
      return Promise.resolve(segment.bytes.subarray(offset, offset + length));
    },
  };
  const rows = new Map<string, RestoredRows>();
  for (const uid of new Set(segments.map((segment) => segment.uid))) {
    const own = segments.filter((segment) => segment.uid === uid).map(({ ref }) => ref);
    rows.set(uid, await readRows(source, own, { start: 0, end: keyGroups }));
  }
  return rows;
}
