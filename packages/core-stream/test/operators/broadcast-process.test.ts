import { describe, expect, it } from 'vitest';
import {
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StreamExecutionEnvironment,
  ValueStateDescriptor,
  type BroadcastProcessFunction,
  type DataStream,
} from '../../src/index.js';
import { OperatorHarness, type HarnessOptions } from '../../src/testing/index.js';

interface Rule {
  readonly name: string;
  readonly factor: number;
}

const rules = new MapStateDescriptor<string, number>('rules');
const versions = new MapStateDescriptor<string, string>('versions');

/** Multiplies by the factor of each rule; a factor of 0 removes the rule. */
const apply = (): BroadcastProcessFunction<number, Rule, string> => ({
  processElement(value, context, out) {
    const state = context.getBroadcastState(rules);
    if (state.isEmpty()) out.collect(`${value}`);
    for (const [name, factor] of state.entries()) out.collect(`${name}:${value * factor}`);
  },
  processBroadcastElement({ name, factor }, context) {
    const state = context.getBroadcastState(rules);
    if (factor === 0) state.remove(name);
    else state.put(name, factor);
  },
});

const unkeyed = (numbers: DataStream<number>, changes: DataStream<Rule>) =>
  numbers.connect(changes.broadcast(rules)).process<string>(apply);
const unkeyedHarness = (options?: HarnessOptions) => OperatorHarness.ofTwo(unkeyed, options);

describe('broadcast process', () => {
  it('gives every broadcast record to all subtasks, and each other record to one', async () => {
    const harness = await unkeyedHarness({ parallelism: 3 });
    harness.pushLeft(1);
    harness.pushRight({ name: 'a', factor: 10 });
    harness.pushRight({ name: 'b', factor: 100 });
    for (const n of [2, 3, 4]) harness.pushLeft(n);
    harness.pushRight({ name: 'a', factor: 0 });
    for (const n of [5, 6, 7]) harness.pushLeft(n);
    expect(harness.values()).toEqual(
      ['1', 'a:20', 'b:200', 'a:30', 'b:300', 'a:40', 'b:400'].concat(['b:500', 'b:600', 'b:700']),
    );
  });

  it.each([1, 2, 3, 5])(
    'broadcast state invariant 2: restores at parallelism %d: each subtask takes a copy',
    async (parallelism) => {
      const before = await unkeyedHarness({ parallelism: 3 });
      before.pushRight({ name: 'a', factor: 10 });
      before.pushRight({ name: 'b', factor: 100 });
      before.pushRight({ name: 'a', factor: 20 });
      const after = await unkeyedHarness({ parallelism, restored: before.snapshot() });
      for (const n of [1, 2, 3, 4, 5]) after.pushLeft(n);
      expect(after.values()).toEqual([1, 2, 3, 4, 5].flatMap((n) => [`a:${n * 20}`, `b:${n * 100}`]));
    },
  );

  it('refuses two descriptors of one name', () => {
    const stream = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection([1]);
    expect(() => stream.broadcast(rules, new MapStateDescriptor('rules'))).toThrow(/'rules' twice/);
  });

  it('a stored copy does not change with the state', async () => {
    const before = await unkeyedHarness();
    before.pushRight({ name: 'a', factor: 10 });
    const snapshot = before.snapshot();
    before.pushRight({ name: 'a', factor: 0 });
    const after = await unkeyedHarness({ restored: snapshot });
    after.pushLeft(1);
    expect(after.values()).toEqual(['a:10']);
  });

  it('broadcast state invariant 1: refuses state that the broadcast stream does not declare, by name', async () => {
    const harness = await OperatorHarness.ofTwo((numbers: DataStream<number>, changes: DataStream<Rule>) =>
      numbers.connect(changes.broadcast(rules)).process<string>(() => ({
        processElement: (_value, context) => void context.getBroadcastState(versions),
        processBroadcastElement: () => undefined,
      })),
    );
    expect(() => harness.pushLeft(1)).toThrow(
      /'BroadcastProcess' asked for the broadcast state 'versions'.*it has: rules/,
    );
  });

  it('passes watermarks on, sees time, opens and closes', async () => {
    const log: string[] = [];
    const harness = await OperatorHarness.ofTwo((numbers: DataStream<number>, changes: DataStream<Rule>) =>
      numbers.connect(changes.broadcast(rules)).process<string>(() => ({
        open: () => void log.push('open'),
        close: () => void log.push('close'),
        processElement: (_value, { timestamp, currentWatermark }, out) =>
          out.collect(`${timestamp} ${currentWatermark}`),
        processBroadcastElement: ({ name }, { timestamp, currentWatermark }, out) =>
          out.collect(`${name} ${timestamp} ${currentWatermark}`),
      })),
    );
    harness.watermark(5);
    harness.pushLeft(1, 7);
    harness.pushRight({ name: 'a', factor: 1 }, 8);
    await harness.close();
    expect(harness.records()).toEqual([
      { value: '7 5', timestamp: 7 },
      { value: 'a 8 5', timestamp: 8 },
    ]);
    expect(harness.watermarks()).toEqual([5]);
    expect(log).toEqual(['open', 'close']);
  });
});

describe('keyed broadcast process', () => {
  const sum = new ValueStateDescriptor<number>('sum');
  const seen = new ListStateDescriptor<number>('seen');
  const counts = new MapStateDescriptor<string, number>('counts');
  const highest = new ReducingStateDescriptor<number>('highest', Math.max);

  /** Sums per key, times the factor of the rule `sum`; the rules `report` and `reset` go through all keys. */
  const keyed = (numbers: DataStream<number>, changes: DataStream<Rule>) =>
    numbers
      .keyBy((n) => n % 10)
      .connect(changes.broadcast(rules))
      .process<string>((context) => {
        const total = context.getState(sum);
        const list = context.getListState(seen);
        const map = context.getMapState(counts);
        const max = context.getReducingState(highest);
        return {
          processElement(value, { currentKey }, out) {
            total.update((total.value() ?? 0) + value);
            list.add(value);
            max.add(value);
            map.put('n', (map.get('n') ?? 0) + 1);
            out.collect(`${currentKey}=${total.value()}`);
          },
          processBroadcastElement({ name, factor }, broadcast, out) {
            broadcast.getBroadcastState(rules).put(name, factor);
            if (name === 'report') {
              broadcast.applyToKeyedState(sum, (key, state) => out.collect(`${key}:${state.value()}`));
              broadcast.applyToKeyedState(seen, (key, state) =>
                out.collect(`${key}:[${state.get().join()}]`),
              );
              broadcast.applyToKeyedState(counts, (key, state) => out.collect(`${key}:n=${state.get('n')}`));
              broadcast.applyToKeyedState(highest, (key, state) => out.collect(`${key}:max=${state.get()}`));
            }
            if (name === 'reset') broadcast.applyToKeyedState(sum, (_key, state) => state.clear());
            if (name === 'wrong') total.update(1);
          },
        };
      });
  const keyedHarness = (options?: HarnessOptions) => OperatorHarness.ofTwo(keyed, options);

  it.each([1, 3])(
    'applyToKeyedState goes through all keys of all subtasks (parallelism %d)',
    async (parallelism) => {
      const harness = await keyedHarness({ parallelism });
      for (const n of [1, 2, 11, 3, 12]) harness.pushLeft(n);
      harness.clear();
      harness.pushRight({ name: 'report', factor: 1 });
      expect([...harness.values()].sort()).toEqual(
        [
          '1:12',
          '1:[1,11]',
          '1:n=2',
          '2:14',
          '2:[2,12]',
          '2:n=2',
          '3:3',
          '3:[3]',
          '3:n=1',
          '1:max=11',
          '2:max=12',
          '3:max=3',
        ].sort(),
      );
      harness.clear();
      harness.pushRight({ name: 'reset', factor: 1 });
      harness.pushLeft(21);
      expect(harness.values()).toEqual(['1=21']);
    },
  );

  it('invariant 1: keyed state cannot be written for a broadcast record', async () => {
    const harness = await keyedHarness();
    harness.pushLeft(1);
    expect(() => harness.pushRight({ name: 'wrong', factor: 1 })).toThrow(/applyToKeyedState/);
    harness.pushLeft(11);
    expect(harness.values()).toEqual(['1=1', '1=12']);
  });

  it('restores both kinds of state at another parallelism', async () => {
    const before = await keyedHarness({ parallelism: 2 });
    for (let n = 0; n < 10; n++) before.pushLeft(n);
    before.pushRight({ name: 'a', factor: 2 });
    const after = await keyedHarness({ parallelism: 3, restored: before.snapshot() });
    for (let n = 10; n < 20; n++) after.pushLeft(n);
    expect([...after.values()].sort()).toEqual(
      Array.from({ length: 10 }, (_, key) => `${key}=${key + key + 10}`).sort(),
    );
  });

  it('timers see the key and the broadcast state', async () => {
    const harness = await OperatorHarness.ofTwo((numbers: DataStream<number>, changes: DataStream<Rule>) =>
      numbers
        .keyBy((n) => n)
        .connect(changes.broadcast(rules))
        .process<string>(() => ({
          processElement: (value, { timers }) => timers.registerEventTimeTimer(value),
          processBroadcastElement: ({ name, factor }, context) =>
            context.getBroadcastState(rules).put(name, factor),
          onTimer: (timestamp, context, out) =>
            out.collect(
              `${context.currentKey}@${timestamp} ${context.timeDomain} ${context.getBroadcastState(rules).get('a')}`,
            ),
        })),
    );
    harness.pushLeft(10, 1);
    harness.pushLeft(20, 1);
    harness.pushRight({ name: 'a', factor: 7 }, 1);
    harness.watermark(15);
    harness.pushRight({ name: 'a', factor: 8 }, 16);
    await harness.endInput();
    expect(harness.values()).toEqual(['10@10 event-time 7', '20@20 event-time 8']);
  });
});
