/** Windows by their definition, without any thought of speed: what the operators are compared with. */

export interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

export type Step =
  | ({ readonly type: 'record' } & Reading)
  /** The watermark moves on by this much; the first one starts from −100. */
  | { readonly type: 'watermark'; readonly by: number }
  | { readonly type: 'clock'; readonly by: number }
  /** A checkpoint is taken, in which what has not changed until the next one is stored. */
  | { readonly type: 'checkpoint' }
  /** A checkpoint is restored with this parallelism, with state on disk from then on, or on the heap. */
  | { readonly type: 'restore'; readonly parallelism: number; readonly isOnDisk: boolean };

export interface Emitted {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly values: readonly number[];
}

/** What one step causes. */
export interface Outcome {
  readonly emitted: readonly Emitted[];
  readonly late: readonly Reading[];
}

export type Windows =
  | { readonly type: 'aligned'; readonly size: number; readonly slide: number; readonly offset: number }
  | { readonly type: 'session'; readonly gapOf: (reading: Reading) => number };

export interface OracleOptions {
  readonly windows: Windows;
  readonly isEventTime: boolean;
  readonly lateness: number;
}

interface Open {
  readonly key: string;
  start: number;
  end: number;
  values: number[];
  /** When it got its bounds. */
  order: number;
}

/** The watermark that a scenario begins with. */
export const FIRST_WATERMARK = -100;

export function oracle(steps: readonly Step[], options: OracleOptions): Outcome[] {
  const { windows, isEventTime } = options;
  const lateness = isEventTime ? options.lateness : 0;
  let open: Open[] = [];
  let watermark = -Infinity;
  let clock = 0;
  let order = 0;
  const outcomes: Outcome[] = [];

  const windowsOf = (reading: Reading, time: number): [number, number][] => {
    if (windows.type === 'session') return [[time, time + windows.gapOf(reading)]];
    const { size, slide, offset } = windows;
    const found: [number, number][] = [];
    for (let start = time - size + 1; start <= time; start++) {
      if (Number.isInteger((start - offset) / slide)) found.push([start, start + size]);
    }
    return found;
  };

  const enter = (key: string, start: number, end: number): Open | undefined => {
    const same = open.find((one) => one.key === key && one.start === start && one.end === end);
    if (windows.type === 'aligned') {
      if (isEventTime && end - 1 + lateness <= watermark) return undefined;
      return same ?? { key, start, end, values: [], order: order++ };
    }
    const touched = open.filter((one) => one.key === key && one.start <= end && one.end >= start);
    touched.sort((a, b) => a.start - b.start);
    const from = Math.min(start, ...touched.map((one) => one.start));
    const to = Math.max(end, ...touched.map((one) => one.end));
    if (isEventTime && to - 1 + lateness <= watermark) return undefined;
    if (touched.length === 1 && touched[0]!.start === from && touched[0]!.end === to) return touched[0];
    open = open.filter((one) => !touched.includes(one));
    return { key, start: from, end: to, values: touched.flatMap((one) => one.values), order: order++ };
  };

  const fire = (from: number, to: number): Emitted[] => {
    const due = open.filter((one) => one.end - 1 > from && one.end - 1 <= to);
    due.sort((a, b) => a.end - b.end || a.order - b.order);
    open = open.filter((one) => one.end - 1 + lateness > to);
    return due.map(({ key, start, end, values }) => ({ key, start, end, values: [...values] }));
  };

  for (const step of steps) {
    const emitted: Emitted[] = [];
    const late: Reading[] = [];
    if (step.type === 'record') {
      let isSkipped = true;
      for (const [start, end] of windowsOf(step, isEventTime ? step.at : clock)) {
        const window = enter(step.key, start, end);
        if (window === undefined) continue;
        isSkipped = false;
        window.values.push(step.value);
        if (!open.includes(window)) open.push(window);
        if (isEventTime && window.end - 1 <= watermark) {
          const { key, start: from, end: to, values } = window;
          emitted.push({ key, start: from, end: to, values: [...values] });
        }
      }
      if (isSkipped && isEventTime && step.at + lateness <= watermark) late.push(step);
    } else if (step.type === 'watermark') {
      const next = Math.max(watermark, FIRST_WATERMARK) + step.by;
      if (isEventTime) emitted.push(...fire(watermark, next));
      watermark = next;
    } else if (step.type === 'clock') {
      // What ends at t is over when the clock shows t.
      if (!isEventTime) emitted.push(...fire(-Infinity, clock + step.by - 1));
      clock += step.by;
    }
    outcomes.push({ emitted, late });
  }
  outcomes.push({ emitted: isEventTime ? fire(watermark, Infinity) : [], late: [] });
  return outcomes;
}
