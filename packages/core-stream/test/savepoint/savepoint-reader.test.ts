/** What the reader shows of a savepoint, against what the program has put there. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AggregatingStateDescriptor,
  heapStateBackend,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  SavepointReader,
  StateSchema,
  StreamConfigError,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type ByteRange,
  type SegmentRef,
} from '../../src/index.js';
import { SegmentBuilder } from '../../src/checkpoint/segment.js';
import { scanRows } from '../../src/checkpoint/row-scan.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { rowId } from '../../src/state/rows.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf } from '../support/conditions.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { startPhase, type PhasedJob } from '../support/phases.js';

refuseUnhandledRejections();

const ttl = { ttlMs: 1e9 };
const RULES = new MapStateDescriptor<string, number>('rules');
const KEYS = 6;
const events = Array.from({ length: 30 }, (_, n) => ({ value: n, timestamp: n * 10 }));

const job: PhasedJob<number> = {
  inputs: [events],
  build(stream) {
    stream
      .keyBy((n) => n % KEYS)
      .window(TumblingEventTimeWindows.of(1000))
      .reduce((a, b) => a + b)
      .uid('windows')
      .sinkTo(new CollectingSink<number>())
      .uid('windowed');
    stream
      .process<number>((context) => {
        const list = context.getOperatorListState(new ListStateDescriptor<number>('list'));
        const union = context.getUnionListState(new ListStateDescriptor<bigint>('union'));
        return {
          processElement(n) {
            list.add(n);
            union.update([BigInt(context.subtaskIndex)]);
          },
        };
      })
      .uid('listed')
      .sinkTo(new CollectingSink<number>())
      .uid('listed-out');
    const rules = stream
      .filter((n) => n < 3)
      .setParallelism(1)
      .uid('few')
      .broadcast(RULES);
    return stream
      .keyBy((n) => ({ rest: n % KEYS }))
      .connect(rules)
      .process<string>((context) => {
        const value = context.getState(new ValueStateDescriptor<number>('value'));
        const ageing = context.getState(new ValueStateDescriptor<number>('ageing', { ttl }));
        const list = context.getListState(new ListStateDescriptor<number>('list', { ttl }));
        const map = context.getMapState(new MapStateDescriptor<number, Date>('map', { ttl }));
        const sum = context.getReducingState(new ReducingStateDescriptor<number>('sum', (a, b) => a + b));
        const mean = context.getAggregatingState(
          new AggregatingStateDescriptor<number, { n: number; sum: number }, number>('mean', meanOf),
        );
        return {
          processElement(n, { timers, timestamp }) {
            value.update(n);
            ageing.update(n);
            list.add(n);
            map.put(n % 2, new Date(n));
            sum.add(n);
            mean.add(n);
            timers.registerEventTimeTimer(timestamp! + 10_000);
          },
          processBroadcastElement: (n, context) => context.getBroadcastState(RULES).put(`r${n}`, n),
        };
      })
      .uid('keyed');
  },
};

const meanOf = {
  createAccumulator: () => ({ n: 0, sum: 0 }),
  add: (x: number, { n, sum }: { n: number; sum: number }) => ({ n: n + 1, sum: sum + x }),
  getResult: ({ n, sum }: { n: number; sum: number }) => sum / n,
  merge: (a: { n: number; sum: number }, b: { n: number; sum: number }) => ({
    n: a.n + b.n,
    sum: a.sum + b.sum,
  }),
};

const own = new MemoryStorage();
const savepoint = new MemoryStorage();
let reader: SavepointReader;
beforeAll(async () => {
  const start = { config: { storage: own }, backend: heapStateBackend() };
  const { client } = await startPhase(job, 0, { parallelism: 2, version: 1 }, start);
  await client.triggerSavepoint(savepoint);
  await client.stop();
  reader = await SavepointReader.open(savepoint);
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const ofKey = (rest: number) => events.map(({ value }) => value).filter((n) => n % KEYS === rest);
const byRest = <V>(entries: readonly { key: unknown; value: V }[]) =>
  new Map(entries.map(({ key, value }) => [(key as { rest: number }).rest, value]));
const expectedByRest = <V>(valueOf: (numbers: number[]) => V) =>
  new Map(Array.from({ length: KEYS }, (_, rest) => [rest, valueOf(ofKey(rest))]));
const total = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describe('a reader of a savepoint', () => {
  it('says what it is, and which operators and states it has', () => {
    expect(reader).toMatchObject({ jobName: 'phases', checkpointId: 1 });
    expect(reader.operators.find(({ uid }) => uid === 'keyed')).toMatchObject({
      type: 'KeyedBroadcastProcess',
      parallelism: 2,
      maxParallelism: 128,
      keyVersion: 1,
      states: [
        { name: 'rules', kind: 'broadcast', hasTtl: false, version: 1 },
        { name: 'value', kind: 'value', hasTtl: false, version: 1 },
        { name: 'ageing', kind: 'value', hasTtl: true, version: 1 },
        { name: 'list', kind: 'list', hasTtl: true, version: 1 },
        { name: 'map', kind: 'map', hasTtl: true, version: 1 },
        { name: 'sum', kind: 'reducing', hasTtl: false, version: 1 },
        { name: 'mean', kind: 'aggregating', hasTtl: false, version: 1 },
      ],
    });
    expect(reader.operators.find(({ uid }) => uid === 'out')?.states).toEqual([]);
  });

  it('counts states and rows', async () => {
    const sizes = new Map((await all(reader.sizes())).map((size) => [size.uid, size]));
    expect(sizes.get('keyed')!.states.map(({ name, count }) => [name, count])).toEqual([
      ['rules', 3],
      ...['value', 'ageing', 'list', 'map', 'sum', 'mean'].map((name) => [name, KEYS]),
    ]);
    for (const { bytes } of sizes.get('keyed')!.states) expect(bytes).toBeGreaterThan(0);
    expect(sizes.get('keyed')!.tables).toMatchObject([{ table: 'event-timers', rows: 30 }]);
    expect(sizes.get('listed')!.states.map(({ name, count }) => [name, count])).toEqual([
      ['list', 30],
      ['union', 2],
    ]);
    expect(sizes.get('windows')!.tables).toMatchObject([{ rows: KEYS }]);
    expect(sizes.get('windows')!.states).toMatchObject([
      { name: 'contents', kind: 'window', version: 1, count: KEYS },
    ]);
  });

  it('gives keyed state of every kind as a program sees it', async () => {
    const read = async <V>(entries: AsyncIterable<{ key: unknown; value: V }>) => byRest(await all(entries));
    const value = new ValueStateDescriptor<number>('value');
    expect(await read(reader.readKeyedState('keyed', value))).toEqual(expectedByRest((ns) => ns.at(-1)));
    const ageing = new ValueStateDescriptor<number>('ageing', { ttl });
    expect(await read(reader.readKeyedState('keyed', ageing))).toEqual(expectedByRest((ns) => ns.at(-1)));
    const list = new ListStateDescriptor<number>('list');
    expect(await read(reader.readKeyedState('keyed', list))).toEqual(expectedByRest((ns) => ns));
    const map = new MapStateDescriptor<number, Date>('map');
    expect(await read(reader.readKeyedState('keyed', map))).toEqual(
      expectedByRest((ns) => new Map(ns.map((n) => [n % 2, new Date(n)]))),
    );
    const sum = new ReducingStateDescriptor<number>('sum', (a, b) => a + b);
    expect(await read(reader.readKeyedState('keyed', sum))).toEqual(expectedByRest(total));
    const mean = new AggregatingStateDescriptor('mean', meanOf);
    expect(await read(reader.readKeyedState('keyed', mean))).toEqual(
      expectedByRest((ns) => ({ n: ns.length, sum: total(ns) })),
    );
    expect(await read(reader.readState('keyed', 'value'))).toEqual(expectedByRest((ns) => ns.at(-1)));
  });

  it('migrates what it reads where it is given schemas, and refuses what does not fit', async () => {
    const schema = StateSchema.initial<number>().migrate((n) => `${n}!`);
    const keySchema = StateSchema.initial<{ rest: number }>().migrate(({ rest }) => ({ rest: rest + 100 }));
    const entries = await all(
      reader.readKeyedState('keyed', new ValueStateDescriptor('ageing', { schema }), { keySchema }),
    );
    expect(byRest(entries)).toEqual(
      new Map(Array.from({ length: KEYS }, (_, rest) => [rest + 100, `${ofKey(rest).at(-1)!}!`])),
    );
    const newer = new ValueStateDescriptor<number>('value', { schema: StateSchema.startingAt<number>(2) });
    expect((await failureOf(all(reader.readKeyedState('keyed', newer)))).message).toContain(
      "State 'value' has version 1 in the checkpoint, but the program reads versions from 2 on",
    );
    expect(() => reader.readKeyedState('keyed', new ListStateDescriptor('value'))).toThrow(StreamConfigError);
    expect(() => reader.readState('keyed', 'nothing')).toThrow(
      "has no such state 'nothing'. Its states: rules, value, ageing, list, map, sum, mean.",
    );
    expect(() => reader.readState('nobody', 'x')).toThrow("There is no operator with uid 'nobody' in memory");
  });

  it('gives one key', async () => {
    expect(await all(reader.readState('keyed', 'sum', { key: { rest: 2 } }))).toEqual([
      { key: { rest: 2 }, value: total(ofKey(2)) },
    ]);
    expect(await all(reader.readState('keyed', 'sum', { key: { rest: 77 } }))).toEqual([]);
    expect(await all(reader.readTimers('keyed', { key: { rest: 0 } }))).toHaveLength(5);
  });

  it('gives timers, windows, operator state, broadcast state and splits', async () => {
    expect((await all(reader.readTimers('keyed'))).map(({ timestamp }) => timestamp).toSorted()).toEqual(
      events.map(({ timestamp }) => timestamp + 10_000).toSorted(),
    );
    expect((await all(reader.readTimers('keyed')))[0]).toMatchObject({ domain: 'event-time' });
    const windows = await all(reader.readWindows('windows'));
    expect(
      new Map(windows.map(({ key, value }) => [key, (value as { accumulator: number }).accumulator])),
    ).toEqual(expectedByRest(total));
    expect(windows.every(({ namespace }) => namespace === 0)).toBe(true);
    const contents = await all(reader.readState('windows', 'contents'));
    expect(new Map(contents.map(({ key, value }) => [key, value]))).toEqual(expectedByRest(total));
    const list = await all(reader.readState('listed', 'list'));
    expect(list.map(({ value }) => value).toSorted((a, b) => Number(a) - Number(b))).toEqual(
      events.map(({ value }) => value),
    );
    expect(await all(reader.readState('listed', 'union'))).toEqual([
      { key: 0, value: 0n },
      { key: 1, value: 1n },
    ]);
    expect(await all(reader.readState('keyed', 'rules'))).toEqual([
      { key: 'r0', value: 0 },
      { key: 'r1', value: 1 },
      { key: 'r2', value: 2 },
    ]);
    expect(reader.source('in').splits).toEqual([[{ splitId: 'split-0', index: 0, next: 30 }]]);
    expect(() => reader.source('keyed')).toThrow(
      "'keyed' in memory is a 'KeyedBroadcastProcess', not a source",
    );
  });

  it('opens a checkpoint of a job: the newest one, or that with an id', async () => {
    const newest = await SavepointReader.open(own);
    expect(newest.checkpointId).toBe(2);
    expect(await all(newest.readState('keyed', 'sum'))).toEqual(await all(reader.readState('keyed', 'sum')));
    expect((await SavepointReader.open(own, { checkpointId: 1 })).checkpointId).toBe(1);
    expect((await failureOf(SavepointReader.open(own, { checkpointId: 9 }))).message).toContain('9');
    expect((await failureOf(SavepointReader.open(new MemoryStorage()))).message).toContain(
      'There is no savepoint in memory',
    );
  });
});

it('reading rows in parts gives the newest of each, as reading all of them at once does', async () => {
  const MAX = 16;
  const entry = fc.record({
    key: fc.nat(40),
    namespace: fc.nat(2),
    data: fc.option(fc.nat(100), { nil: undefined }),
    size: fc.constantFrom(0, 3_000_000),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(entry, { maxLength: 8 }), { maxLength: 3 }),
      fc.tuple(fc.nat(MAX), fc.nat(MAX)),
      async (segments, [a, b]) => {
        const stored = new Map<string, Buffer>();
        const storage = {
          location: 'here',
          readSegment: (id: string, { offset, length }: ByteRange) =>
            Promise.resolve(stored.get(id)!.subarray(offset, offset + length)),
        };
        const expected = new Map<string, unknown>();
        const refs: SegmentRef[] = [];
        for (const [index, rows] of segments.entries()) {
          const builder = new SegmentBuilder(MAX);
          for (const { key, namespace, data, size } of rows) {
            const row = data === undefined ? undefined : encodeState([data, 'x'.repeat(size)]);
            builder.addTo('t', key % MAX, rowId(key, namespace), row);
            builder.addTo('other', key % MAX, rowId(key, namespace), encodeState('other'));
            const range = { start: Math.min(a, b), end: Math.max(a, b) };
            if (key % MAX < range.start || key % MAX >= range.end) continue;
            if (data === undefined) expected.delete(`${key} ${namespace}`);
            else expected.set(`${key} ${namespace}`, data);
          }
          const content = builder.build();
          if (content === undefined) continue;
          const { chunks, ...ref } = content;
          stored.set(`s-${index}`, Buffer.concat([...chunks]));
          refs.push({ ...ref, id: `s-${index}` });
        }
        const found = new Map<string, unknown>();
        const keyGroups = { start: Math.min(a, b), end: Math.max(a, b) };
        for await (const { key, namespace, data } of scanRows(storage, refs, 't', keyGroups)) {
          found.set(`${String(key)} ${String(namespace)}`, (data as [unknown])[0]);
        }
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 20 },
  );
});
