/** Stages with state, timers and windows. */
import {
  EventTimeSessionWindows,
  ListStateDescriptor,
  MapStateDescriptor,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
} from '../../src/index.js';
import {
  bucketOf,
  check,
  groups,
  keyed,
  mod,
  NO_RESULT,
  single,
  summing,
  sumOf,
  THE_END,
  toRow,
  type Row,
  type Rows,
  type Stage,
  type Sum,
} from './rows.js';

/** Collects a key's records in state of some kind, and emits them by buckets of time. */
const buckets: Stage = {
  inputs: 1,
  build: (s, _, choice) =>
    single(
      keyed(s, choice).process<Row>((runtime) => {
        const size = 5 + (choice.a % 20);
        const list = runtime.getListState(new ListStateDescriptor<Row>('rows'));
        const byBucket = runtime.getMapState(new MapStateDescriptor<number, readonly Row[]>('by bucket'));
        const value = runtime.getState(
          new ValueStateDescriptor<readonly Row[]>('value', { defaultValue: [] }),
        );
        return {
          processElement(row, context) {
            check(row, context);
            const bucket = bucketOf(row.at, size);
            if (choice.a % 3 === 0) list.add(row);
            else if (choice.a % 3 === 1) byBucket.put(bucket, [...(byBucket.get(bucket) ?? []), row]);
            else value.update([...value.value()!, row]);
            context.timers.registerEventTimeTimer(bucket);
            context.timers.registerEventTimeTimer(bucket + 1);
            context.timers.deleteEventTimeTimer(bucket + 1);
          },
          onTimer(timestamp, _context, out) {
            const isDue = (row: Row) => row.at <= timestamp;
            let due: Rows;
            if (choice.a % 3 === 0) {
              due = list.get().filter(isDue);
              list.update(list.get().filter((row) => !isDue(row)));
            } else if (choice.a % 3 === 1) {
              due = byBucket.get(timestamp) ?? [];
              byBucket.remove(timestamp);
            } else {
              due = value.value()!.filter(isDue);
              const rest = value.value()!.filter((row) => !isDue(row));
              if (rest.length === 0) value.clear();
              else value.update(rest);
            }
            out.collect(toRow('b', sumOf(due), timestamp));
          },
        };
      }),
    ),
  expect: (rows, _, choice) =>
    groups(rows, choice).flatMap((group) => {
      const size = 5 + (choice.a % 20);
      return [...new Set(group.map((row) => bucketOf(row.at, size)))].map((bucket) =>
        toRow('b', sumOf(group.filter((row) => bucketOf(row.at, size) === bucket)), bucket),
      );
    }),
};

/** Says at the end what a key's records were: with rolling operations before, whose last result counts. */
const rolling: Stage = {
  inputs: 1,
  build: (s, _, choice) =>
    single(
      keyed(
        keyed(
          s.map((row) => ({ ...row, v: 1 + row.v, id: '1' })),
          choice,
        ).reduce((x, y) => ({ ...x, v: x.v + y.v, id: `${Number(x.id) + Number(y.id)}` })),
        { a: 0, b: 5 },
      ).process<Row>((runtime) => {
        const seen = runtime.getListState(new ListStateDescriptor<Row>('seen'));
        return {
          processElement(row, { timers }) {
            seen.add(row);
            timers.registerEventTimeTimer(THE_END);
          },
          onTimer(timestamp, _context, out) {
            // Each key counts from 1; the greatest sum of each has the greatest count.
            const counts = seen.get().map((row) => Number(row.id));
            const max = seen.get().reduce((x, y) => (y.v > x.v ? y : x));
            const sum = counts.reduce((x, y) => x + y, 0);
            out.collect({ id: `r${counts.length}/${sum}/${max.id}`, key: 0, v: max.v % 1000, at: timestamp });
          },
        };
      }),
    ),
  expect(rows, _, choice) {
    if (rows.length === 0) return [];
    const each = groups(rows, choice).map((group) => ({
      n: group.length,
      sum: group.reduce((sum, row) => sum + row.v + 1, 0),
    }));
    const counts = each.reduce((sum, { n }) => sum + (n * (n + 1)) / 2, 0);
    const max = each.reduce((x, y) => (y.sum > x.sum ? y : x));
    const ties = each.filter(({ sum }) => sum === max.sum);
    if (ties.some(({ n }) => n !== max.n)) return NO_RESULT; // which one is seen first is open
    return [{ id: `r${rows.length}/${counts}/${max.n}`, key: 0, v: max.sum % 1000, at: THE_END }];
  },
};

interface Span {
  readonly start: number;
  readonly end: number;
}

const aligned =
  (size: number, slide: number, offset: number) =>
  (rows: Rows): Spans => {
    const windows = new Map<number, Row[]>();
    for (const row of rows) {
      for (let start = mod(row.at - offset, slide) * -1 + row.at; start > row.at - size; start -= slide) {
        windows.set(start, [...(windows.get(start) ?? []), row]);
      }
    }
    return [...windows].map(([start, members]) => ({ start, end: start + size, members }));
  };

type Spans = readonly (Span & { readonly members: Rows })[];
const NO_SPANS: Spans = [];

const sessions =
  (gap: number) =>
  (rows: Rows): Spans => {
    const found: { start: number; end: number; members: Row[] }[] = [];
    for (const row of [...rows].sort((x, y) => x.at - y.at)) {
      const last = found.at(-1);
      // Whether a record at the very end is part of the session depends on what has fired by then.
      if (row.at === last?.end) return NO_SPANS;
      if (last !== undefined && row.at < last.end) {
        last.end = row.at + gap;
        last.members.push(row);
      } else found.push({ start: row.at, end: row.at + gap, members: [row] });
    }
    return found;
  };

function windowsOf(a: number) {
  const size = 6 + (a % 25);
  const slide = [size, Math.ceil(size / 2), 4, size + 3][(a >> 2) % 4]!;
  const offset = a % Math.min(slide, size);
  if (a % 4 === 0) return { assigner: EventTimeSessionWindows.withGap(size), split: sessions(size) };
  if (a % 4 === 1)
    return { assigner: TumblingEventTimeWindows.of(size, offset), split: aligned(size, size, offset) };
  return { assigner: SlidingEventTimeWindows.of(size, slide, offset), split: aligned(size, slide, offset) };
}

const nameOf = ({ start, end }: Span): string => `w${start}-${end}:`;

/** Windows of each key, or of everything, by one of the ways to compute their result. */
const windows: Stage = {
  inputs: 1,
  build(s, _, choice) {
    const { assigner } = windowsOf(choice.a);
    const stream = keyed(s, choice)
      .window(assigner)
      .allowedLateness(choice.a % 3);
    const emit = (span: Span, sum: Sum) => toRow(nameOf(span), sum, span.end - 1);
    switch ((choice.a >> 1) % 4) {
      case 0:
        return single(
          stream.process<Row>((_key, { window }, rows, out) => out.collect(emit(window, sumOf(rows)))),
        );
      case 1:
        return single(
          stream.aggregate<Sum, Sum, Row>(summing, (_key, { window }, [sum], out) =>
            out.collect(emit(window, sum!)),
          ),
        );
      case 2:
        return single(
          stream.aggregate<Sum, Sum, Row>({ ...summing, sharesPanes: true }, (_key, { window }, [sum], out) =>
            out.collect(emit(window, sum!)),
          ),
        );
      default:
        return single(
          s
            .windowAll(assigner)
            .process<Row>(({ window }, rows, out) => out.collect(emit(window, sumOf(rows)))),
        );
    }
  },
  expect(rows, _, choice) {
    const isForAll = (choice.a >> 1) % 4 === 3;
    const spans = (isForAll ? [rows] : groups(rows, choice)).map(windowsOf(choice.a).split);
    if (spans.includes(NO_SPANS)) return NO_RESULT;
    return spans
      .flat()
      .map(({ start, end, members }) => toRow(nameOf({ start, end }), sumOf(members), end - 1));
  },
};

export const keyedStages = { buckets, rolling, windows };
