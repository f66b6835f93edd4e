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
import { ManualClock, OperatorHarness, type OneInputHarness } from '../../src/testing/index.js';
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

export interface RunOptions {
  readonly assigner: WindowAssigner<Reading, TimeWindow>;
  readonly kind: FunctionKind;
  readonly lateness: number;
  readonly isGeneral?: boolean;
}

export async function run(steps: readonly Step[], options: RunOptions): Promise<Outcome[]> {
  const { assigner, kind, lateness, isGeneral = false } = options;
  const clock = new ManualClock();
  const build = (input: DataStream<Reading>) => {
    let windowed = input
      .keyBy(({ key }) => key)
      .window(assigner)
      .allowedLateness(lateness)
      .sideOutputLateData(lateTag);
    if (isGeneral) windowed = windowed.trigger(new CustomTrigger(assigner.defaultTrigger()));
    return emitting(windowed, kind);
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
      harness.push({ key, at, value }, at);
    } else if (step.type === 'watermark') {
      watermark = Math.max(watermark, FIRST_WATERMARK) + step.by;
      harness.watermark(watermark);
    } else if (step.type === 'clock') harness.advanceProcessingTime(step.by);
    else {
      const restored = harness.snapshot();
      await harness.close();
      harness = await OperatorHarness.of(build, { clock, restored, parallelism: step.parallelism });
      if (watermark > -Infinity) harness.watermark(watermark); // as the runtime does
    }
    take();
  }
  harness.watermark(MAX_WATERMARK);
  take();
  await harness.close();
  return outcomes;
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

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: reading },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('watermark' as const), by: fc.integer({ min: 1, max: 60 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('clock' as const), by: fc.integer({ min: 1, max: 20 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('restore' as const),
        parallelism: fc.integer({ min: 1, max: 3 }),
      }),
    },
  ),
  { maxLength: 40 },
);
