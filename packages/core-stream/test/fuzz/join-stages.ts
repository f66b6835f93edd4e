/** Stages with two keyed inputs. */
import {
  ListStateDescriptor,
  MapStateDescriptor,
  TumblingEventTimeWindows,
  type JoinType,
} from '../../src/index.js';
import {
  bucketOf,
  check,
  groups,
  hash,
  keyed,
  NO_RESULT,
  selectorOf,
  single,
  sumOf,
  THE_END,
  toRow,
  type Choice,
  type Row,
  type Rows,
  type Stage,
} from './rows.js';

/** Says for each bucket of a key what had come until then, of both inputs. */
const connectKeyed: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      keyed(s, choice)
        .connect(keyed(t, choice))
        .process<Row>((runtime) => {
          const seen = runtime.getListState(new ListStateDescriptor<Row>('seen'));
          const add = (
            row: Row,
            context: Parameters<typeof check>[1] & { timers: { registerEventTimeTimer(at: number): void } },
          ) => {
            check(row, context);
            seen.add(row);
            context.timers.registerEventTimeTimer(bucketOf(row.at, 10));
          };
          return {
            processElement1: add,
            processElement2: (row, context) => add(row, context),
            onTimer: (timestamp, _context, out) =>
              out.collect(toRow('c', sumOf(seen.get().filter((row) => row.at <= timestamp)), timestamp)),
          };
        }),
    ),
  expect: (rows, others, choice) =>
    groups([...rows, ...others], choice).flatMap((group) =>
      [...new Set(group.map((row) => bucketOf(row.at, 10)))].map((bucket) =>
        toRow('c', sumOf(group.filter((row) => row.at <= bucket)), bucket),
      ),
    ),
};

const joinTypes: readonly JoinType[] = ['inner', 'left', 'right', 'full'];
const typeOf = ({ a }: Choice): JoinType => joinTypes[a % 4]!;

/** A record of a join, of which one side may be missing. */
const pair = (x: Row | undefined, y: Row | undefined, at: number): Row => ({
  id: `(${x === undefined ? '' : hash(x.id)},${y === undefined ? '' : hash(y.id)})`,
  key: (x ?? y)!.key,
  v: ((x?.v ?? 0) + (y?.v ?? 0)) % 1000,
  at,
});

interface Sides {
  readonly lefts: Rows;
  readonly rights: Rows;
}

/** The records of both inputs, by key. */
function sidesOf(rows: Rows, others: Rows, choice: Choice): Sides[] {
  const left = new Set(rows.map((row) => ({ ...row })));
  return groups([...left, ...others.map((row) => ({ ...row }))], choice).map((group) => ({
    lefts: group.filter((row) => left.has(row)),
    rights: group.filter((row) => !left.has(row)),
  }));
}

function joined(
  { lefts, rights }: Sides,
  type: JoinType,
  isMatch: (x: Row, y: Row) => boolean,
  timeOf: (x: Row | undefined, y: Row | undefined) => number,
): Row[] {
  const pairs = lefts.flatMap((x) => rights.filter((y) => isMatch(x, y)).map((y) => [x, y] as const));
  const loose: (readonly [Row | undefined, Row | undefined])[] = [];
  if (type === 'left' || type === 'full')
    loose.push(
      ...lefts.filter((x) => !rights.some((y) => isMatch(x, y))).map((x) => [x, undefined] as const),
    );
  if (type === 'right' || type === 'full')
    loose.push(
      ...rights.filter((y) => !lefts.some((x) => isMatch(x, y))).map((y) => [undefined, y] as const),
    );
  return [...pairs, ...loose].map(([x, y]) => pair(x, y, timeOf(x, y)));
}

const lowerOf = ({ a }: Choice): number => (a % 9) - 6;
const upperOf = (choice: Choice): number => lowerOf(choice) + (choice.b % 8);

const intervalJoin: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      keyed(s, choice)
        .intervalJoin(keyed(t, choice), typeOf(choice))
        .between(lowerOf(choice), upperOf(choice))
        .process<Row>((x, y, { timestamp }, out) => out.collect(pair(x, y, timestamp))),
    ),
  expect: (rows, others, choice) =>
    sidesOf(rows, others, choice).flatMap((sides) =>
      joined(
        sides,
        typeOf(choice),
        (x, y) => y.at - x.at >= lowerOf(choice) && y.at - x.at <= upperOf(choice),
        (x, y) => Math.max(x?.at ?? -Infinity, y?.at ?? -Infinity),
      ),
    ),
};

const WINDOW_MS = 8;

const windowJoin: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      s
        .join(t, typeOf(choice))
        .where(selectorOf(choice))
        .equalTo(selectorOf(choice))
        .window(TumblingEventTimeWindows.of(WINDOW_MS))
        .apply<Row>((x, y) => pair(x, y, bucketOf((x ?? y)!.at, WINDOW_MS))),
    ),
  expect: (rows, others, choice) =>
    sidesOf(rows, others, choice).flatMap((sides) =>
      joined(
        sides,
        typeOf(choice),
        (x, y) => bucketOf(x.at, WINDOW_MS) === bucketOf(y.at, WINDOW_MS),
        (x, y) => bucketOf((x ?? y)!.at, WINDOW_MS),
      ),
    ),
};

const temporalJoin: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      keyed(s, choice)
        .temporalJoin(keyed(t, choice), choice.a % 2 === 0 ? 'inner' : 'left')
        .process<Row>((x, y, { timestamp }, out) => out.collect(pair(x, y, timestamp))),
    ),
  expect(rows, others, choice) {
    const sides = sidesOf(rows, others, choice);
    // Of versions with the same time the one that comes last counts.
    if (sides.some(({ rights }) => new Set(rights.map(({ at }) => at)).size < rights.length))
      return NO_RESULT;
    return sides.flatMap(({ lefts, rights }) =>
      lefts.flatMap((x) => {
        const valid = rights.filter((y) => y.at <= x.at).sort((y, z) => z.at - y.at)[0];
        return valid === undefined && choice.a % 2 === 0 ? [] : [pair(x, valid, x.at)];
      }),
    );
  },
};

const rules = new MapStateDescriptor<string, Row>('rules');

/** Says at the end what a key's records were, and what has been broadcast. */
const broadcastState: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      keyed(s, choice)
        .connect(t.broadcast(rules))
        .process<Row>((runtime) => {
          const seen = runtime.getListState(new ListStateDescriptor<Row>('seen'));
          return {
            processElement(row, context) {
              check(row, context);
              seen.add(row);
              context.timers.registerEventTimeTimer(THE_END);
            },
            processBroadcastElement(row, context) {
              check(row, context);
              context.getBroadcastState(rules).put(JSON.stringify(row), row);
            },
            onTimer(timestamp, context, out) {
              const known = [...context.getBroadcastState(rules).entries()].map(([, row]) => row);
              out.collect(toRow(`${known.length}+`, sumOf([...seen.get(), ...known]), timestamp));
            },
          };
        }),
    ),
  expect(rows, others, choice) {
    const known = [...new Map(others.map((row) => [JSON.stringify(row), row])).values()];
    return groups(rows, choice).map((group) =>
      toRow(`${known.length}+`, sumOf([...group, ...known]), THE_END),
    );
  },
};

export const joinStages = { connectKeyed, intervalJoin, windowJoin, temporalJoin, broadcastState };
