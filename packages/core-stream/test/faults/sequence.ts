/** Sees that records come without gap and without duplicate: each split's, one after the other, as far as its state goes. */
import { ValueStateDescriptor } from '../../src/index.js';
import type { Row, Stream } from '../fuzz/rows.js';
import { InjectedValue, type FaultPlan } from './fault-plan.js';

/** `a0.7` comes from the split `a0`. */
const splitOf = (id: string): string => id.slice(0, id.indexOf('.'));

/** The place of each record in its split, from 0. */
export function placesOf(sources: readonly (readonly (readonly Row[])[])[]): ReadonlyMap<string, number> {
  return new Map(sources.flat().flatMap((split) => split.map(({ id }, place) => [id, place] as const)));
}

export interface SequenceOptions {
  readonly places: ReadonlyMap<string, number>;
  /** Gets what breaks a sequence. */
  readonly violations: string[];
  readonly plan: Pick<FaultPlan, 'hit' | 'isDue'>;
}

/** Passes records on. */
export function checkSequence(stream: Stream, { places, violations, plan }: SequenceOptions): Stream {
  const { hit, isDue } = plan;
  return stream
    .keyBy(({ id }) => splitOf(id))
    .process<Row>((runtime) => {
      const last = runtime.getState(new ValueStateDescriptor('last', { defaultValue: -1 }));
      const odd = runtime.getState(new ValueStateDescriptor<InjectedValue>('odd'));
      return {
        open: () => hit('restore'),
        processElement(row, _context, out) {
          hit('map');
          const place = places.get(row.id)!;
          if (place !== last.value()! + 1) violations.push(`${row.id} is ${place} after ${last.value()!}`);
          last.update(place);
          if (isDue('encode')) odd.update(new InjectedValue());
          else if (odd.value() !== undefined) odd.clear(); // the next record mends it
          out.collect(row);
        },
        snapshotState: () => hit('snapshot'),
        close: () => hit('close'),
      };
    });
}
