import { describe, expect, it } from 'vitest';
import {
  ListStateDescriptor,
  OutputTag,
  ValueStateDescriptor,
  WatermarkStrategy,
  type StreamExecutionEnvironment,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive } from '../support/conditions.js';
import { environment, none } from '../support/environment.js';
import type { ManualClock } from '../support/manual-clock.js';
import { ScriptedSource, timed } from '../support/scripted-source.js';

const strings = WatermarkStrategy.noWatermarks<string>();

async function run(env: StreamExecutionEnvironment, clock: ManualClock): Promise<void> {
  await drive(env.executeAsync('co process'), clock);
}

describe('connected streams', () => {
  it('map and flatMap call the function of the record’s own input', async () => {
    const { env, clock } = environment({ parallelism: 2 });
    const numbers = env.fromSource(new ScriptedSource([timed([[1, 5]]), timed([[2, 6]])]), none, 'numbers');
    const words = env.fromSource(new ScriptedSource([timed([['a', 7]])]), strings, 'words');
    const mapped = new CollectingSink<string>();
    const flat = new CollectingSink<string>();
    numbers
      .connect(words)
      .map({ map1: (n) => `n${n + 1}`, map2: (word) => word.toUpperCase() })
      .sinkTo(mapped);
    numbers
      .connect(words)
      .flatMap<string>({
        flatMap1: (n, out) => Array.from({ length: n }, () => out.collect(`n${n}`)),
        flatMap2: () => undefined,
      })
      .sinkTo(flat);
    await run(env, clock);
    expect(mapped.values.sort()).toEqual(['A', 'n2', 'n3']);
    expect(mapped.timestamps.sort()).toEqual([5, 6, 7]);
    expect(flat.values.sort()).toEqual(['n1', 'n2', 'n2']);
  });

  it('process sees time, side outputs and both inputs', async () => {
    const { env, clock } = environment();
    const odd = new OutputTag<string>('odd');
    const main = new CollectingSink<string>();
    const side = new CollectingSink<string>();
    const log: string[] = [];
    const result = env
      .fromSource(
        new ScriptedSource([
          timed([
            [1, 10],
            [2, 20],
          ]),
        ]),
        none,
        'numbers',
      )
      .connect(env.fromSource(new ScriptedSource([[{ value: 'a' }]]), strings, 'words'))
      .process<string>((context) => ({
        open: () => void log.push(`open ${context.operatorName}`),
        close: () => void log.push('close'),
        processElement1(n, { timestamp, output }, out) {
          expect(typeof output).toBe('function');
          out.collect(`${n}@${timestamp}`);
        },
        processElement2(word, processContext) {
          processContext.output(odd, `${word}@${processContext.timestamp}`);
        },
      }))
      .name('both');
    result.sinkTo(main);
    result.getSideOutput(odd).sinkTo(side);
    await run(env, clock);
    expect(main.values).toEqual(['1@10', '2@20']);
    expect(side.values).toEqual(['a@undefined']);
    expect(log).toEqual(['open both', 'close']);
  });
});

describe('connected keyed streams', () => {
  it('share a key’s state between both inputs', async () => {
    const { env, clock } = environment({ parallelism: 3 });
    const sink = new CollectingSink<string>();
    const people = Array.from({ length: 20 }, (_, id) => ({ id, name: `p${id}` }));
    const auctions = Array.from({ length: 60 }, (_, i) => ({ auction: i, seller: i % 30 }));
    const persons = env.fromSource(
      new ScriptedSource([people.map((value) => ({ value }))]),
      WatermarkStrategy.noWatermarks<(typeof people)[0]>(),
      'people',
    );
    env
      .fromSource(
        new ScriptedSource([auctions.map((value) => ({ value }))]),
        WatermarkStrategy.noWatermarks<(typeof auctions)[0]>(),
        'auctions',
      )
      .keyBy(({ seller }) => seller)
      .connect(persons.keyBy(({ id }) => id))
      .process<string>((context) => {
        const person = context.getState(new ValueStateDescriptor<string>('person'));
        const pending = context.getListState(new ListStateDescriptor<number>('pending'));
        return {
          processElement1({ auction }, _context, out) {
            const name = person.value();
            if (name === undefined) pending.add(auction);
            else out.collect(`${name}/${auction}`);
          },
          processElement2({ name }, _context, out) {
            person.update(name);
            for (const auction of pending.get()) out.collect(`${name}/${auction}`);
            pending.clear();
          },
        };
      })
      .sinkTo(sink);
    await run(env, clock);
    const expected = auctions.filter(({ seller }) => seller < 20).map((a) => `p${a.seller}/${a.auction}`);
    expect([...sink.values].sort()).toEqual(expected.sort());
  });

  it('share timers: one set by either input fires once the watermark of both has reached it', async () => {
    const { env, clock } = environment();
    const strategy = WatermarkStrategy.forMonotonousTimestamps<string>().withEmission('on-advance');
    const sink = new CollectingSink<string>();
    env
      .fromSource(
        new ScriptedSource([
          timed([
            ['a', 1],
            ['z', 100],
          ]),
        ]),
        strategy,
        'left',
      )
      .connect(
        env.fromSource(
          new ScriptedSource([
            timed([
              ['a', 2],
              ['z', 50],
            ]),
          ]),
          strategy,
          'right',
        ),
      )
      .keyBy(
        (word) => word,
        (word) => word,
      )
      .process<string>(() => ({
        processElement1: (_value, { timers }) => timers.registerEventTimeTimer(20),
        processElement2: (_value, { timers }) => timers.registerEventTimeTimer(10),
        onTimer: (timestamp, context, out) =>
          out.collect(`${context.currentKey}@${timestamp} ${context.timeDomain} ${context.currentWatermark}`),
      }))
      .sinkTo(sink);
    await run(env, clock);
    expect(sink.values.filter((value) => value.startsWith('a'))).toEqual([
      'a@10 event-time 49',
      'a@20 event-time 49',
    ]);
  });
});
