import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPoll, type PollPlan, type PollSettings } from '../src/poll-segments.js';
import type { SeenSegment } from '../src/segment-replacement.js';
import { partitionOf, type PublishedSegment } from '../src/published-segment.js';

const settings: PollSettings = {
  range: undefined,
  query: 'q',
  onReplaced: 'fail',
  forgetAfterMs: 1000,
  nowMs: 0,
};

interface Shorthand {
  readonly day?: string;
  readonly version?: string;
  readonly part?: number;
  readonly rows?: number;
  readonly size?: number;
  readonly core?: number;
  readonly compacted?: boolean;
  readonly hidden?: boolean;
  readonly state?: PublishedSegment['availability'];
  readonly tombstone?: boolean;
}

/** `v1`, partition 0, 10 rows, appended, on 2024-01-01, unless told otherwise. */
function segment(s: Shorthand = {}): PublishedSegment {
  const {
    day = '2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z',
    version = 'v1',
    part = 0,
    rows = 10,
  } = s;
  return {
    id: `${day}_${version}_${part}`,
    descriptor: { interval: day, version, partition: part },
    rows,
    size: s.size ?? 1000 + part,
    availability: s.state ?? 'available',
    isOvershadowed: s.hidden ?? false,
    isCompacted: s.compacted ?? false,
    group: s.core === undefined ? undefined : { size: s.core },
    isTombstone: s.tombstone ?? false,
  };
}

const hidden = (of: PublishedSegment): PublishedSegment => ({ ...of, isOvershadowed: true });
const idsOf = (plan: PollPlan): string[] => plan.splits.map((split) => split.splitId);
const next = (
  seen: readonly SeenSegment[],
  listing: readonly PublishedSegment[],
  more: Partial<PollSettings> = {},
) => planPoll(seen, listing, { ...settings, ...more });

describe('planPoll', () => {
  const a = segment();
  const b = segment({ part: 1, rows: 5 });

  it('hands each appended segment out once (invariant 1)', () => {
    const first = next([], [a]);
    expect(idsOf(first)).toEqual([a.id]);
    const second = next(first.seen, [a, b]);
    expect(idsOf(second)).toEqual([b.id]);
    expect(idsOf(next(second.seen, [a, b]))).toEqual([]);
  });

  it('reads the rest of a segment that was replaced in part, and what replaced it (invariant 6)', () => {
    const month = segment({ day: '2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z', core: 1, rows: 31 });
    const day = segment({ version: 'v2', core: 1 });
    const deleted = '2024-01-02T00:00:00.000Z/2024-01-03T00:00:00.000Z';
    const tombstone = segment({ day: deleted, version: 'v2', tombstone: true, rows: 0 });
    const waiting = { ...day, availability: 'unavailable' as const };
    const first = next([], [month, waiting, tombstone]);
    expect(first.splits).toMatchObject([
      { splitId: month.id, replacedIn: [day.descriptor.interval, deleted] },
    ]);
    const second = next(first.seen, [month, day, tombstone]);
    expect(second.conflicts).toEqual([]);
    expect(idsOf(second)).toEqual([day.id]);
    expect(second.splits[0]).not.toHaveProperty('replacedIn');
    const compacted = segment({ version: 'v3', core: 1, compacted: true });
    const third = next(second.seen, [month, hidden(day), tombstone, compacted]);
    expect(third).toMatchObject({ splits: [], conflicts: [], compacted: [compacted.id] });
  });

  it('does not leave rows out for a version that is not whole', () => {
    const month = segment({ day: '2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z', rows: 31 });
    const half = segment({ version: 'v2', core: 2 });
    expect(next([], [month, half]).splits[0]).not.toHaveProperty('replacedIn');
  });

  it('compares no segment with those that come with it', () => {
    const hour = (i: number) => new Date(Date.UTC(2020, 0, 1, i)).toISOString();
    const listing = Array.from({ length: 20_000 }, (_, i) =>
      segment({ day: `${hour(i)}/${hour(i + 1)}`, version: hour(i + 1), ...(i % 2 === 0 && { core: 1 }) }),
    );
    expect(next([], listing).splits).toHaveLength(20_000);
  });

  it.each([
    ['is not loaded', { state: 'unavailable' }],
    ['is served by a task only', { state: 'realtime' }],
    ['has an unknown number of rows', { rows: 0 }],
  ] as const)('waits while a segment %s (invariant 5)', (_name, changes) => {
    const plan = next([], [segment(changes)]);
    expect(plan).toMatchObject({ splits: [], seen: [], waiting: 1 });
    expect(idsOf(next(plan.seen, [segment()]))).toHaveLength(1);
  });

  it('reads a compacted segment if nothing below it was read', () => {
    const compacted = segment({ version: 'v2', core: 1, compacted: true });
    expect(idsOf(next([], [compacted, hidden(a)]))).toEqual([compacted.id]);
  });

  it('passes over a compaction of what was read, and reads what is appended to it (invariants 2, 3)', () => {
    const { seen } = next([], [a, b]);
    const compacted = segment({ version: 'v2', core: 1, compacted: true, rows: 15 });
    const appended = segment({ version: 'v2', part: 1, rows: 3, size: 7 });
    const plan = next(seen, [hidden(a), hidden(b), compacted, appended]);
    expect(idsOf(plan)).toEqual([appended.id]);
    expect(plan.compacted).toEqual([compacted.id]);
    // … and again: the second compaction covers the first and what was appended.
    const again = segment({ version: 'v3', core: 1, compacted: true, rows: 18 });
    const later = next(plan.seen, [again]);
    expect(later).toMatchObject({ splits: [], compacted: [again.id], conflicts: [] });
  });

  it('reads appended segments that were compacted between two polls from where they still are (invariant 3)', () => {
    const { seen } = next([], [a]);
    const compacted = segment({ version: 'v2', core: 1, compacted: true, rows: 15 });
    const plan = next(seen, [hidden(a), hidden(b), compacted]);
    expect(idsOf(plan)).toEqual([b.id]);
    expect(plan.compacted).toEqual([compacted.id]);
  });

  it('decides about what is appended to a compaction once it can decide about the compaction (invariants 2, 5)', () => {
    const { seen } = next([], [a]);
    const compacted = segment({ version: 'v2', core: 1, compacted: true });
    const appended = segment({ version: 'v2', part: 1 });
    const early = next(seen, [hidden(a), { ...compacted, availability: 'unavailable' }, appended]);
    expect(early).toMatchObject({ splits: [], conflicts: [], waiting: 2 });
    const plan = next(early.seen, [hidden(a), compacted, appended]);
    expect(idsOf(plan)).toEqual([appended.id]);
    expect(plan).toMatchObject({ compacted: [compacted.id], conflicts: [] });
    // By chance as large as what was compacted: it could be a copy of that, and the compaction of rows that were not read.
    const alike = segment({ version: 'v2', part: 1, size: a.size });
    expect(next(early.seen, [hidden(a), compacted, alike]).conflicts).toHaveLength(1);
  });

  it('tells what was compacted unread from what was copied, even where they have as many rows (invariants 2, 3)', () => {
    const { seen } = next([], [a]);
    const unread = segment({ part: 1, size: 5 });
    const compacted = segment({ version: 'v2', core: 1, compacted: true }); // of what was not read
    const copy = segment({ version: 'v2', part: 1, size: a.size }); // of what was
    const plan = next(seen, [hidden(a), hidden(unread), compacted, copy]);
    expect(idsOf(plan)).toEqual([unread.id]);
    expect(plan).toMatchObject({ compacted: [compacted.id, copy.id], conflicts: [] });
  });

  it('waits while a server that has what was compacted unread may come back (invariants 3, 5)', () => {
    const { seen } = next([], [a]);
    const compacted = segment({ version: 'v2', core: 1, compacted: true, rows: 15 });
    const away = { ...hidden(b), availability: 'unavailable', rows: 0 } as const;
    const early = next(seen, [hidden(a), away, compacted]);
    expect(early).toMatchObject({ splits: [], compacted: [], conflicts: [], waiting: 1 });
    expect(idsOf(next(early.seen, [hidden(a), hidden(b), compacted]))).toEqual([b.id]);
    // Once it is not published any more it will not.
    expect(next(early.seen, [hidden(a), compacted]).conflicts).toHaveLength(1);
  });

  it('recognises a compaction to another granularity', () => {
    const days = [1, 2, 3].map((day) => segment({ day: `2024-01-0${day}/2024-01-0${day + 1}` }));
    const { seen } = next([], days);
    const month = segment({
      day: '2024-01-01/2024-02-01',
      version: 'v2',
      core: 1,
      compacted: true,
      rows: 30,
    });
    const plan = next(seen, [...days.map(hidden), month]);
    expect(plan).toMatchObject({ splits: [], compacted: [month.id] });
    const back = [1, 2, 3].map((day) =>
      segment({ day: `2024-01-0${day}/2024-01-0${day + 1}`, version: 'v3', core: 1, compacted: true }),
    );
    expect(next(plan.seen, [hidden(month), ...back])).toMatchObject({ splits: [], conflicts: [] });
  });

  it('recognises the copies that a compaction makes of concurrent appends (invariant 2)', () => {
    const { seen } = next([], [a, b]);
    const compacted = segment({ version: 'v2', core: 1, compacted: true, rows: 10 });
    const copy = segment({ version: 'v2', part: 1, rows: 5, size: b.size });
    const early = next(seen, [
      hidden(a),
      hidden(b),
      compacted,
      { ...copy, rows: 0, availability: 'unavailable' },
    ]);
    expect(early).toMatchObject({ splits: [], conflicts: [] });
    const plan = next(early.seen, [hidden(a), hidden(b), compacted, copy]);
    expect(plan).toMatchObject({ splits: [], conflicts: [], compacted: [compacted.id, copy.id] });
  });

  it('recognises such copies in the interval of a coarser compaction', () => {
    const days = [1, 2].map((day) => segment({ day: `2024-01-0${day}/2024-01-0${day + 1}`, part: 3 - day }));
    const { seen } = next([], days);
    const month = '2024-01-01/2024-02-01';
    const compacted = segment({ day: month, version: 'v2', core: 1, compacted: true });
    const copy = segment({ day: month, version: 'v2', part: 1, size: days[1]?.size ?? 0 });
    const plan = next(seen, [...days.map(hidden), compacted, copy]);
    expect(plan).toMatchObject({ splits: [], conflicts: [], compacted: [compacted.id, copy.id] });
  });

  it('waits until all segments of a replacement are there', () => {
    const { seen } = next([], [a, b]);
    const parts = [0, 1].map((part) =>
      segment({ version: 'v2', core: 2, part, compacted: true, rows: 7 + part }),
    );
    expect(next(seen, [parts[0] as PublishedSegment])).toMatchObject({
      splits: [],
      conflicts: [],
      waiting: 1,
    });
    expect(next(seen, parts)).toMatchObject({ splits: [], conflicts: [] });
  });

  it.each([
    ['was not written by a compaction', { rows: 10 }],
    ['has another number of rows', { rows: 9, compacted: true }],
  ])('reports a conflict when a replacement %s (invariant 4)', (_name, changes) => {
    const { seen } = next([], [a]);
    const replacement = segment({ version: 'v2', core: 1, ...changes });
    expect(next(seen, [hidden(a), replacement]).conflicts).toHaveLength(1);
    expect(idsOf(next(seen, [hidden(a), replacement], { onReplaced: 'skip' }))).toEqual([]);
    const read = next(seen, [hidden(a), replacement], { onReplaced: 'read' });
    expect(idsOf(read)).toEqual([replacement.id]);
    expect(next(read.seen, [hidden(a), replacement])).toMatchObject({ splits: [], conflicts: [] });
  });

  it('forgets a segment only after it has been missing long enough (invariant 1)', () => {
    const { seen } = next([], [a]);
    const missing = next(seen, [], { nowMs: 500 });
    expect(missing.seen).toHaveLength(1);
    expect(idsOf(next(missing.seen, [a], { nowMs: 900 }))).toEqual([]);
    expect(next(missing.seen, [], { nowMs: 1500 }).seen).toEqual([]);
  });

  it('leaves segments outside the interval alone', () => {
    const range = { startMs: Date.UTC(2024, 5, 1), endMs: Date.UTC(2024, 6, 1) };
    expect(idsOf(next([], [a], { range }))).toEqual([]);
  });

  it.each([
    ['', [], 1],
    [', or reports a conflict if replaced segments vanish at once', ['retire'], 1],
    [', or reports a conflict if all segments look alike', ['retire'], 0],
  ])('reads every row once under any order of appends, compactions and polls%s', (_name, more, sizes) => {
    const action = fc.constantFrom('append', 'append', 'compact', 'overtake', 'poll', 'glimpse', ...more);
    const days = ['2024-01-01/2024-01-02', '2024-01-01/2024-02-01', '2024-01-01/2025-01-01'];
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        let live: PublishedSegment[] = [];
        let old: PublishedSegment[] = [];
        const contents = new Map<string, number[]>();
        let seen: readonly SeenSegment[] = [];
        const read: number[] = [];
        let row = 0;
        let version = 1;
        for (const step of [...actions, 'poll' as const]) {
          if (step === 'append') {
            const rows = Array.from({ length: 1 + (row % 3) }, () => row++);
            const added = segment({
              day: days[Math.min(version >> 1, 2)] as string,
              version: `v${version}`,
              part: live.length,
              rows: rows.length,
              size: row * sizes,
            });
            contents.set(added.id, rows);
            live.push(added);
          } else if ((step === 'compact' || step === 'overtake') && live.length > 0) {
            version++;
            // What was appended meanwhile is copied beside the result; every other compaction makes the interval wider.
            const overtaken = step === 'overtake' ? live.slice(Math.ceil(live.length / 2)) : [];
            const merged = live.slice(0, live.length - overtaken.length);
            const at = { day: days[Math.min(version >> 1, 2)] as string, version: `v${version}` };
            const rows = merged.flatMap(({ id }) => contents.get(id) ?? []);
            const result = segment({ ...at, rows: rows.length, core: 1, compacted: true, size: row * sizes });
            contents.set(result.id, rows);
            old.push(...live.map(hidden));
            live = [
              result,
              ...overtaken.map((original, i) => {
                const copy = segment({ ...at, part: i + 1, rows: original.rows, size: original.size });
                contents.set(copy.id, contents.get(original.id) ?? []);
                return copy;
              }),
            ];
          } else if (step === 'retire') {
            old = [];
          } else {
            // A glimpse is a poll while some server is away.
            const plan = next(
              seen,
              [...live, ...old].map((one, i) =>
                step === 'glimpse' && (i + row) % 3 === 0
                  ? { ...one, availability: 'unavailable', rows: 0 }
                  : one,
              ),
            );
            if (more.length > 0 && plan.conflicts.length > 0) return; // said aloud: nothing was read wrongly before
            expect(plan.conflicts).toEqual([]);
            seen = plan.seen;
            for (const id of idsOf(plan)) read.push(...(contents.get(id) ?? []));
          }
        }
        expect([...read].sort((x, y) => x - y)).toEqual(Array.from({ length: row }, (_, i) => i));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('partitionOf', () => {
  it.each([
    [{ type: 'numbered', partitionNum: 1, partitions: 0 }, undefined, false],
    [{ type: 'numbered', partitionNum: 0, partitions: 2 }, { size: 2 }, false],
    [{ type: 'numbered', partitionNum: 2, partitions: 2 }, undefined, false],
    [{ type: 'range', partitionNum: 0, numCorePartitions: 3 }, { size: 3 }, false],
    [{ type: 'none' }, { size: 1 }, false],
    [{ type: 'tombstone', partitionNum: 0, partitions: 0 }, undefined, true],
  ])('of %j', (spec, group, isTombstone) => {
    expect(partitionOf(spec)).toEqual({ group, isTombstone });
  });
});
