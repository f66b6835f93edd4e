/** Runs a scenario of records, watermarks, clock and restores through the program's own operators. */
import fc from 'fast-check';
import {
  OutputTag,
  type AggregateFunction,
  type DataStream,
  type Trigger,
  type TriggerContext,
  type TimeWindow,
  type Window,
  type WindowAssigner,
  type WindowedStream,
} from '../../src/index.js';
import { MAX_WATERMARK } from '../../src/index.js';
import type { OperatorFactory } from '../../src/operators/operator.js';
import { ManualClock, OperatorHarness, type OneInputHarness } from '../../src/testing/index.js';
import { emittingVersioned } from './versioned-windows.js';
import { FIRST_WATERMARK, type Emitted, type Outcome, type Reading, type Step } from './window-oracle.js';

export const lateTag = new OutputTag<Reading>('late');

/** Does what another trigger does, but is not known to the engine, which therefore uses its general operator. */
export class CustomTrigger<T, W extends Window> implements Trigger<T, W> {
  readonly #trigger: Trigger<T, W>;

  constructor(trigger: Trigger<T, W>) {
    this.#trigger = trigger;
  }

  onElement(record: T, timestamp: number, window: W, context: TriggerContext) {
    return this.#trigger.onElement(record, timestamp, window, context);
  }

  onEventTime(time: number, window: W, context: TriggerContext) {
    return this.#trigger.onEventTime(time, window, context);
  }

  onProcessingTime(time: number, window: W, context: TriggerContext) {
    return this.#trigger.onProcessingTime(time, window, context);
  }

  onMerge(window: W, context: Parameters<NonNullable<Trigger<T, W>['onMerge']>>[1]) {
    this.#trigger.onMerge?.(window, context);
  }

  clear(window: W, context: TriggerContext) {
    this.#trigger.clear(window, context);
  }
}

export type FunctionKind = 'process' | 'reduce' | 'aggregate' | 'primitive aggregate';
export const functionKinds: readonly FunctionKind[] = [
  'process',
  'reduce',
  'aggregate',
  'primitive aggregate',
];

interface Values {
  readonly key: string;
  readonly values: readonly number[];
}

const arrays: AggregateFunction<Reading, number[], number[]> = {
  createAccumulator: () => [],
  add: (reading, values) => {
    values.push(reading.value);
    return values;
  },
  getResult: (values) => [...values],
  merge: (a, b) => {
    a.push(...b);
    return a;
  },
};

const text: AggregateFunction<Reading, string, number[]> = {
  createAccumulator: () => '',
  add: (reading, values) => `${values},${reading.value}`,
  getResult: (values) => values.slice(1).split(',').map(Number),
  merge: (a, b) => a + b,
};

/** The windows with each kind of function: all of them emit the window's values. */
export function emitting(windowed: WindowedStream<Reading, string>, kind: FunctionKind): DataStream<Emitted> {
  switch (kind) {
    case 'process':
      return windowed.process<Emitted>((key, { window: { start, end } }, elements, out) =>
        out.collect({ key, start, end, values: [...elements].map(({ value }) => value) }),
      );
    case 'reduce':
      // Keeps the values in a property of its own: a reduce gives back what it takes.
      return windowed.reduce<Emitted>(
        (a, b) => ({ ...a, values: [...valuesOf(a), ...valuesOf(b)] }),
        (key, { window: { start, end } }, [reading], out) =>
          out.collect({ key, start, end, values: valuesOf(reading!) }),
      );
    case 'aggregate':
    case 'primitive aggregate':
      return windowed.aggregate<unknown, number[], Emitted>(
        (kind === 'aggregate' ? arrays : text) as AggregateFunction<Reading, unknown, number[]>,
        (key, { window: { start, end } }, [values], out) => out.collect({ key, start, end, values: values! }),
      );
  }
}

function valuesOf(reading: Reading): readonly number[] {
  return (reading as unknown as Partial<Values>).values ?? [reading.value];
}

/** Lets the program choose its operator as with state on disk, which the harness has not. */
function chooseForDisk(stream: DataStream<Emitted>, isStateInPlace: boolean): void {
  const node = stream.scope.graph.nodes.at(-1)!;
  const { spec } = node;
  if (spec.kind !== 'operator') throw new TypeError('not an operator');
  const factory: OperatorFactory = (context, output) =>
    spec.factory({ ...context, isStateOnDisk: true, isStateInPlace }, output);
  Object.assign(node, { spec: { ...spec, factory } });
}

export interface RunOptions {
  readonly assigner: WindowAssigner<Reading, TimeWindow>;
  readonly kind: FunctionKind;
  readonly lateness: number;
  readonly isGeneral?: boolean;
  /** Whether what is on disk is in place after a restore. */
  readonly isInPlace?: boolean;
  /** Whether each restore is of a program with a later version of what windows keep. */
  readonly isVersioned?: boolean;
}

export async function run(steps: readonly Step[], options: RunOptions): Promise<Outcome[]> {
  const { assigner, kind, lateness, isGeneral = false, isInPlace = false, isVersioned = false } = options;
  const clock = new ManualClock();
  let isOnDisk = false;
  let wasOnDisk = false;
  let version = 1;
  const build = (input: DataStream<Reading>) => {
    let windowed = input
      .keyBy(({ key }) => key)
      .window(assigner)
      .allowedLateness(lateness)
      .sideOutputLateData(lateTag);
    if (isGeneral) windowed = windowed.trigger(new CustomTrigger(assigner.defaultTrigger()));
    const emitted = isVersioned ? emittingVersioned(windowed, kind, version) : emitting(windowed, kind);
    if (isOnDisk) chooseForDisk(emitted, isInPlace && wasOnDisk);
    return emitted;
  };
  let harness: OneInputHarness<Reading, Emitted> = await OperatorHarness.of(build, { clock });
  let watermark = -Infinity;
  const outcomes: Outcome[] = [];
  const take = () => {
    for (const { value, timestamp } of harness.records()) {
      if (timestamp !== value.end - 1)
        throw new Error(`the timestamp of ${JSON.stringify(value)} is ${timestamp}`);
    }
    outcomes.push({ emitted: harness.values(), late: harness.values(lateTag) });
    harness.clear();
  };
  for (const step of steps) {
    if (step.type === 'record') {
      const { key, at, value } = step;
      harness.push({ key, at, value, ...(isVersioned && { version }) }, at);
    } else if (step.type === 'watermark') {
      watermark = Math.max(watermark, FIRST_WATERMARK) + step.by;
      harness.watermark(watermark);
    } else if (step.type === 'clock') harness.advanceProcessingTime(step.by);
    else if (step.type === 'checkpoint') harness.snapshot();
    else {
      const restored = harness.snapshot();
      wasOnDisk = isOnDisk;
      ({ isOnDisk } = step);
      version++;
      await harness.close();
      harness = await OperatorHarness.of(build, { clock, restored, parallelism: step.parallelism });
      if (watermark > -Infinity) harness.watermark(watermark); // as the runtime does
    }
    take();
  }
  harness.watermark(MAX_WATERMARK);
  take();
  await harness.endInput();
  const left = harness.snapshot().rows.length;
  if (left > 0) throw new Error(`${left} rows are left of windows that are gone`);
  await harness.close();
  return outcomes;
}

/** What can be compared of two runs in order: several subtasks have none among each other, so there it counts by key. */
export function ordered(steps: readonly Step[], outcomes: readonly Outcome[]): Outcome[] {
  let parallelism = 1;
  return outcomes.map((outcome, index) => {
    const step = steps[index];
    if (step?.type === 'restore') ({ parallelism } = step);
    if (parallelism === 1) return outcome;
    const byKey = <T extends { readonly key: string }>(values: readonly T[]): T[] =>
      [...values].sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
    return { emitted: byKey(outcome.emitted), late: byKey(outcome.late) };
  });
}

/** What can be compared: order counts only in one subtask that was never restored, and in a window only where told. */
export function comparable(
  steps: readonly Step[],
  outcomes: readonly Outcome[],
  isArrivalOrder: boolean,
): { emitted: string[]; late: string[] }[] {
  let isOrdered = true;
  return outcomes.map(({ emitted, late }, index) => {
    if (steps[index]?.type === 'restore') isOrdered = false;
    const texts = emitted.map(({ key, start, end, values }) => {
      const list = isArrivalOrder ? values : [...values].sort((a, b) => a - b);
      return `${key} ${start} ${end} ${list.join()}`;
    });
    return {
      emitted: isOrdered ? texts : texts.sort(),
      late: late.map(({ key, at, value }) => `${key} ${at} ${value}`),
    };
  });
}

const reading = fc.record({
  type: fc.constant('record' as const),
  key: fc.constantFrom('a', 'b', 'c'),
  at: fc.integer({ min: -60, max: 60 }),
  value: fc.integer({ min: 0, max: 99 }),
});

const clock = fc.record({ type: fc.constant('clock' as const), by: fc.integer({ min: 1, max: 20 }) });
const checkpoint = fc.record({ type: fc.constant('checkpoint' as const) });
const restore = fc.record({
  type: fc.constant('restore' as const),
  parallelism: fc.integer({ min: 1, max: 3 }),
  isOnDisk: fc.boolean(),
});
const watermark = (most: number) =>
  fc.record({ type: fc.constant('watermark' as const), by: fc.integer({ min: 1, max: most }) });

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: reading },
    { weight: 2, arbitrary: watermark(60) },
    { weight: 2, arbitrary: clock },
    { weight: 1, arbitrary: restore },
    { weight: 1, arbitrary: checkpoint },
  ),
  { maxLength: 40 },
);

/** Few windows and many checkpoints: what one of them leaves out is missed. The first watermark brings their time near. */
export const denseSteps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          type: fc.constant('record' as const),
          key: fc.constantFrom('a', 'b'),
          at: fc.constantFrom(0, 1, 6, 13),
          value: fc.integer({ min: 0, max: 99 }),
        }),
      },
      { weight: 3, arbitrary: watermark(9) },
      { weight: 2, arbitrary: clock },
      { weight: 2, arbitrary: restore },
      { weight: 3, arbitrary: checkpoint },
    ),
    { maxLength: 20, size: 'max' },
  )
  .map((all): Step[] => [{ type: 'watermark', by: -FIRST_WATERMARK }, ...all]);
