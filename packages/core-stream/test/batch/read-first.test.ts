import { describe, expect, it } from 'vitest';
import { MapStateDescriptor, WatermarkStrategy } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { environment } from '../support/environment.js';
import { ScriptedSource } from '../support/scripted-source.js';

const none = WatermarkStrategy.noWatermarks<number>();
const names = new MapStateDescriptor<number, string>('names');

/** The broadcast side comes from a longer way, so that it is behind when nothing holds the other side. */
function inputs(parallelism: number, options: { batchSortBufferRecords?: number } = {}) {
  const { env } = environment({ runtimeMode: 'batch', parallelism, ...options });
  const script = (count: number, from = 0) => Array.from({ length: count }, (_, i) => ({ value: from + i }));
  const rules = env
    .fromSource(new ScriptedSource([script(10)], { batch: 1 }), none, 'rules')
    .map((n) => ({ n, name: `name-${n}` }))
    .disableChaining()
    .filter(() => true)
    .disableChaining()
    .broadcast(names);
  const numbers = env.fromSource(new ScriptedSource([script(40), script(40, 5)]), none, 'numbers');
  return { env, rules, numbers };
}

describe('a broadcast input in batch mode', () => {
  it.each([[1], [3]])('is read to its end before a keyed one, at parallelism %i', async (parallelism) => {
    const { env, rules, numbers } = inputs(parallelism);
    const sink = new CollectingSink<string>();
    numbers
      .keyBy((n) => n % 10)
      .connect(rules)
      .process<string>(() => {
        let previous: number | undefined;
        const seen = new Set<number>();
        return {
          processElement(n, context, out) {
            if (n % 10 !== previous) {
              expect(seen).not.toContain(n % 10);
              seen.add(n % 10);
              previous = n % 10;
            }
            out.collect(context.getBroadcastState(names).get(n % 10) ?? 'missing');
          },
          processBroadcastElement({ n, name }, context) {
            expect(seen.size).toBe(0);
            context.getBroadcastState(names).put(n, name);
          },
        };
      })
      .sinkTo(sink);
    await env.execute('job');
    expect(sink.values.sort()).toEqual(Array.from({ length: 80 }, (_, i) => `name-${i % 10}`).sort());
  });

  it.each([[undefined], [7]])(
    'is read before one without keys, which keeps its order (buffer %s)',
    async (size) => {
      const { env, rules, numbers } = inputs(1, size === undefined ? {} : { batchSortBufferRecords: size });
      const sink = new CollectingSink<string>();
      numbers
        .filter((n) => n < 5)
        .connect(rules)
        .process<string>(() => ({
          processElement: (n, context, out) =>
            out.collect(context.getBroadcastState(names).get(n) ?? 'missing'),
          processBroadcastElement: ({ n, name }, context) => context.getBroadcastState(names).put(n, name),
        }))
        .sinkTo(sink);
      await env.execute('job');
      expect(sink.values).toEqual(Array.from({ length: 5 }, (_, n) => `name-${n}`));
    },
  );
});
