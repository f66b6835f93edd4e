/** Operator state and broadcast state, brought to later versions while the job is rescaled 1 → 2 → 3 → 1. */
import { expect, it } from 'vitest';
import { ListStateDescriptor, MapStateDescriptor, StateSchema } from '../../src/index.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { runPhases, type PhasedJob } from '../support/phases.js';

refuseUnhandledRejections();

/** Version 2: the number in an object; version 3: in another one. */
type Item = number | { readonly n: number } | { readonly number: number };
const first = StateSchema.initial<number>();
const second = first.migrate((n) => ({ n }));
const third = second.migrate(({ n }) => ({ number: n }));
const schemas = [first, second, third] as readonly unknown[] as readonly StateSchema<Item>[];
const boxes: readonly ((n: number) => Item)[] = [(n) => n, (n) => ({ n }), (n) => ({ number: n })];

/** Each record is a rule, and goes on with all the rules that its subtask knows by then. */
const job: PhasedJob<number> = {
  inputs: [0, 1, 2, 3].map((phase) => Array.from({ length: 9 }, (_, i) => ({ value: phase * 9 + i }))),
  build(stream, { version }) {
    const schema = schemas[version - 1]!;
    const box = boxes[version - 1]!;
    const rules = new MapStateDescriptor<number, Item>('rules', { schema });
    const broadcast = stream
      .filter(() => true)
      .setParallelism(1)
      .uid('all')
      .broadcast(rules);
    return stream
      .process<number>((context) => {
        const list = context.getOperatorListState(new ListStateDescriptor<Item>('list', { schema }));
        const union = context.getUnionListState(new ListStateDescriptor<Item>('union', { schema }));
        if (context.subtaskIndex > 0) union.clear(); // one has them all
        return {
          processElement(n, _context, out) {
            for (const item of [...list.get(), ...union.get()]) {
              expect(Object.keys(item)).toEqual(Object.keys(box(0)));
            }
            list.add(box(n));
            union.add(box(n));
            out.collect(n);
          },
          close: () => void kept.push([...list.get()], [...union.get()]),
        };
      })
      .uid('listed')
      .connect(broadcast)
      .process<string>(() => ({
        processElement: () => undefined,
        processBroadcastElement(n, context, out) {
          const state = context.getBroadcastState(rules);
          state.put(n, box(n));
          if (n % 9 === 8) out.collect(JSON.stringify([...state.entries()]));
        },
      }))
      .uid('ruled');
  },
};

/** The lists of each subtask at the end of the last phase. */
let kept: (readonly Item[])[] = [];

it.each(['heap', 'disk'] as const)(
  'they have the same elements and entries, with other state on %s',
  async (backend) => {
    const versions = [1, 2, 3, 3];
    const phases = versions.map((version, i) => ({ version, parallelism: [1, 2, 3, 1][i]! }));
    kept = [];
    const outputs = await runPhases(job, phases, { backend });
    const all = Array.from({ length: 36 }, (_, n) => n);
    const sorted = (items: readonly Item[]) =>
      items.map((item) => (item as { number: number }).number).toSorted((a, b) => a - b);
    const [list, union] = kept.slice(-2);
    expect(sorted(list!)).toEqual(all);
    expect(sorted(union!)).toEqual(all);
    const expected = phases.flatMap(({ version, parallelism }, phase) => {
      const entries = all.slice(0, (phase + 1) * 9).map((n) => [n, boxes[version - 1]!(n)]);
      return Array.from({ length: parallelism }, () => JSON.stringify(entries));
    });
    expect(outputs.toSorted()).toEqual(expected.toSorted());
  },
);
