import { describe, expect, it } from 'vitest';
import { batchOperator } from '../../src/batch/batch-input-operator.js';
import type { NodeSpec } from '../../src/graph/stream-graph.js';
import { InvariantError, MAX_WATERMARK } from '../../src/index.js';
import type { DrainStatus, OperatorContext, Output, StreamOperator } from '../../src/operators/operator.js';

type OperatorSpec = Extract<NodeSpec, { readonly kind: 'operator' }>;

const options = { sortBufferRecords: 1000, spillDirectory: undefined };
const output: Output = {
  collect: () => undefined,
  sideOutput: () => undefined,
  emitWatermark: () => undefined,
  emitIdle: () => undefined,
};

/** An operator that writes down what is called; its `drain` gives the statuses one after the other. */
function recording(statuses: DrainStatus[] = []) {
  const calls: string[] = [];
  const contexts: OperatorContext[] = [];
  const inner: StreamOperator = {
    processElement: (value) => void calls.push(`0: ${String(value)}`),
    processElement2: (value) => void calls.push(`1: ${String(value)}`),
    processWatermark: (timestamp) => void calls.push(`watermark ${timestamp}`),
    processIdle: () => void calls.push('idle'),
    finishKey: () => void calls.push('finishKey'),
    drain: () => {
      calls.push('drain');
      return statuses.shift() ?? 'done';
    },
    snapshotState: () => 'state',
    finish: () => void calls.push('finish'),
    close: () => void calls.push('close'),
  };
  const spec = (rest: Partial<OperatorSpec>): OperatorSpec => ({
    kind: 'operator',
    type: 'Recording',
    factory: (context) => {
      contexts.push(context);
      return inner;
    },
    ...rest,
  });
  return { calls, contexts, inner, spec };
}

const scheduled: number[] = [];
const context = {
  operatorName: 'recording',
  subtaskIndex: 0,
  schedule: (delayMs: number) => {
    scheduled.push(delayMs);
    return () => undefined;
  },
} as unknown as OperatorContext;

const keyed = { keySelectors: [(value: unknown) => String(value).slice(0, 1)] };

describe('the operator of a batch job', () => {
  it('is what it is, where it has neither keys nor an input to read first', () => {
    const { inner, spec } = recording();
    expect(batchOperator(spec({}), options)(context, output)).toBe(inner);
  });

  it('gets its records at the end, key by key, then the watermark +∞, then its own drain (invariants 1 and 2)', () => {
    const { calls, spec } = recording(['more', 'wait']);
    const operator = batchOperator(spec(keyed), options)(context, output);
    operator.processElement('b', 2);
    operator.processElement('a2', 2);
    operator.processIdle(true);
    operator.processElement('a1', 1);
    operator.processWatermark(MAX_WATERMARK);
    expect(calls).toEqual([]);
    expect(operator.drain?.()).toBe('more');
    expect(calls).toEqual([
      '0: a1',
      '0: a2',
      'finishKey',
      '0: b',
      'finishKey',
      'watermark Infinity',
      'drain',
    ]);
    expect([operator.drain?.(), operator.drain?.()]).toEqual(['wait', 'done']);
    operator.finish?.();
    expect(calls.slice(-3)).toEqual(['drain', 'drain', 'finish']);
  });

  it('gets the watermark only, where no record came', () => {
    const { calls, spec } = recording();
    const operator = batchOperator(spec(keyed), options)(context, output);
    operator.processWatermark(MAX_WATERMARK);
    expect(operator.drain?.()).toBe('done');
    expect(calls).toEqual(['watermark Infinity', 'drain']);
  });

  it('gets no more than 256 records at a time', () => {
    const { calls, spec } = recording();
    const operator = batchOperator(spec(keyed), options)(context, output);
    for (let i = 0; i < 600; i++) operator.processElement('a', i);
    const sizes: number[] = [];
    do sizes.push(calls.length);
    while (operator.drain?.() === 'more');
    expect(sizes).toEqual([0, 256, 512]);
    expect(calls.filter((call) => call === 'finishKey')).toHaveLength(1);
  });

  it('gets the input to read first at once, and the other by arrival where that has no key', () => {
    const { calls, spec } = recording();
    const operator = batchOperator(spec({ needs: { readFirst: 1 } }), options)(context, output);
    operator.processElement('x', 9);
    operator.processElement2?.('rule', 1);
    operator.processElement('y', 3);
    expect(calls).toEqual(['1: rule']);
    expect(operator.drain?.()).toBe('done');
    expect(calls).toEqual(['1: rule', '0: x', '0: y', 'watermark Infinity', 'drain']);
  });

  it('schedules nothing where it has keys (invariant 3)', () => {
    for (const [rest, expected] of [
      [keyed, 0],
      [{ needs: { readFirst: 1 } } as const, 1],
    ] as const) {
      scheduled.length = 0;
      const { contexts, spec } = recording();
      batchOperator(spec(rest), options)(context, output);
      contexts[0]?.schedule(5, () => undefined)();
      expect(scheduled).toHaveLength(expected);
    }
  });

  it('is in no checkpoint before its end (invariant 4)', () => {
    const { spec } = recording();
    const operator = batchOperator(spec(keyed), options)(context, output);
    operator.processElement('a', 1);
    expect(() => operator.snapshotState?.(7)).toThrow(InvariantError);
    operator.drain?.();
    expect(operator.snapshotState?.(7)).toBe('state');
  });

  it('is closed also where it was never drained', async () => {
    const { calls, spec } = recording();
    const operator = batchOperator(spec(keyed), options)(context, output);
    operator.processElement('a', 1);
    await operator.close?.();
    expect(calls).toEqual(['close']);
  });
});
