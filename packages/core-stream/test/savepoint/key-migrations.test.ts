/** Keys that become others, of every operator that keeps something by key, while the job is rescaled 1 → 2 → 3 → 1. */
import { describe, expect, it } from 'vitest';
import {
  EventTimeSessionWindows,
  ListStateDescriptor,
  MapStateDescriptor,
  SlidingEventTimeWindows,
  StateSchema,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type KeyedStream,
} from '../../src/index.js';
import { watermark } from '../../src/testing/index.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { runPhases, runThrough, type PhasedJob } from '../support/phases.js';
import type { ScriptStep } from '../support/scripted-source.js';

refuseUnhandledRejections();

interface Event {
  readonly id: number;
  readonly n: number;
  readonly side: 'left' | 'right';
}

const KEYS = 9;
const PER_PHASE = 30;
const RULES = new MapStateDescriptor<string, number>('rules');

/** Version 1 has texts as keys, version 2 objects, version 3 numbers. */
const first = StateSchema.initial<string>();
const second = first.migrate((text) => ({ id: Number(text.slice(1)) }));
const third = second.migrate(({ id }) => id);

function byId(stream: DataStream<Event>, version: number): KeyedStream<Event, unknown> {
  const keys: readonly KeyedStream<Event, unknown>[] = [
    stream.keyBy<unknown>(({ id }) => `k${id}`, { schema: first }),
    stream.keyBy<unknown>(({ id }) => ({ id }), { schema: second }),
    stream.keyBy<unknown>(({ id }) => id, { schema: third }),
  ];
  return keys[version - 1]!;
}

const inputs: ScriptStep<Event>[][] = [0, 1, 2, 3].map((phase) => {
  const steps: ScriptStep<Event>[] = [];
  for (let i = 0; i < PER_PHASE; i++) {
    const n = phase * PER_PHASE + i;
    const side = n % 4 < 2 ? 'left' : 'right';
    steps.push({ value: { id: (n * 7) % KEYS, n, side }, timestamp: n * 10 });
    if (n % 10 === 9) steps.push(watermark(n * 10 - 40));
  }
  return steps;
});

const text = (events: readonly Event[]) => `${events[0]!.id}: ${events.map(({ n }) => n).join(',')}`;

const programs: Record<string, PhasedJob<Event>['build']> = {
  'a process function with timers': (stream, { version }) =>
    byId(stream, version)
      .process<string>((context) => {
        const seen = context.getListState(new ListStateDescriptor<number>('seen'));
        const last = context.getState(new ValueStateDescriptor<number>('last'));
        return {
          processElement({ id, n }, { timers, timestamp }) {
            seen.add(n);
            last.update(id);
            timers.registerEventTimeTimer(timestamp! + 200);
            timers.registerEventTimeTimer(timestamp! + 777);
          },
          onTimer: (at, _context, out) => out.collect(`${last.value()} at ${at}: ${seen.get().join(',')}`),
        };
      })
      .uid('keyed'),

  'a rolling reduce': (stream, { version }) =>
    byId(stream, version)
      .reduce((a, b) => ({ ...a, n: a.n + b.n }))
      .uid('keyed')
      .map(({ id, n }) => `${id}: ${n}`),

  ...Object.fromEntries(
    Object.entries({
      'tumbling windows': TumblingEventTimeWindows.of(250),
      'sliding windows': SlidingEventTimeWindows.of(400, 100),
      'session windows': EventTimeSessionWindows.withGap(75),
    }).map(([name, windows]): [string, PhasedJob<Event>['build']] => [
      name,
      (stream, { version }) =>
        byId(stream, version)
          .window(windows)
          .process<string>((_key, { window }, events, out) =>
            out.collect(`${window.start}–${window.end} ${text([...events])}`),
          )
          .uid('keyed'),
    ]),
  ),

  'an interval join': (stream, { version }) => {
    const side = (wanted: Event['side']) =>
      byId(stream.filter(({ side }) => side === wanted).uid(wanted), version);
    const right = side('right');
    return side('left')
      .intervalJoin(right, 'full')
      .between(-150, 300)
      .process<string>((l: Event | undefined, r: Event | undefined, _context, out) =>
        out.collect(`${l?.n ?? '-'} ${r?.n ?? '-'}`),
      )
      .uid('keyed');
  },

  'a window join': (stream, { version }) => {
    const { keySelector } = byId(stream, version);
    const side = (wanted: Event['side']) => stream.filter(({ side }) => side === wanted).uid(wanted);
    return side('left')
      .join(side('right'))
      .where<unknown>(keySelector, { schema: keySelector.schema! })
      .equalTo(keySelector)
      .window(TumblingEventTimeWindows.of(250))
      .apply((l, r) => `${l.n} ${r.n}`)
      .uid('keyed');
  },

  'a process function with broadcast state': (stream, { version }) => {
    const rules = stream
      .filter(({ n }) => n % 6 === 0)
      .uid('rules')
      .setParallelism(1)
      .broadcast(RULES);
    return byId(stream, version)
      .connect(rules)
      .process<string>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
        return {
          processElement({ id }, _context, out) {
            count.update(count.value()! + 1);
            out.collect(`${id} ${count.value()!}`);
          },
          processBroadcastElement: ({ n }, context) => context.getBroadcastState(RULES).put(String(n), n),
        };
      })
      .uid('keyed');
  },
};

describe.each(['heap', 'disk'] as const)('with state on %s', (backend) => {
  it.each(
    Object.entries(programs).flatMap(([name, build]) => [
      { name, via: 'savepoint' as const, build },
      { name, via: 'storage' as const, build },
    ]),
  )('P9: $name goes on with other keys, from each $via', async ({ build, via }) => {
    const job = { inputs, build };
    const phases = [
      { parallelism: 1, version: 1 },
      { parallelism: 2, version: 2 },
      { parallelism: 3, version: 3 },
      { parallelism: 1, version: 3 },
    ];
    const outputs = await runPhases(job, phases, { backend, via });
    const expected = await runThrough(job, { parallelism: 1, version: 1 });
    expect(expected.length).toBeGreaterThan(20);
    expect(outputs.toSorted()).toEqual(expected.toSorted());
  });
});
