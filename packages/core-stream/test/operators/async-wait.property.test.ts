import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AsyncRetryStrategies, MAX_WATERMARK, MIN_TIMESTAMP } from '../../src/index.js';
import type { OperatorState } from '../../src/operators/operator.js';
import { AsyncSubtask, RemoteService, type Element } from '../support/async-subtask.js';
import { refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

const TIMEOUT_MS = 50;
const MAX_ATTEMPTS = 3;

type Command =
  | { readonly type: 'batch'; readonly size: number }
  | { readonly type: 'watermark' }
  | { readonly type: 'idle'; readonly isIdle: boolean }
  | { readonly type: 'settle'; readonly picks: readonly (readonly [which: number, how: number])[] }
  | { readonly type: 'advance'; readonly ms: number }
  | { readonly type: 'snapshot' }
  | { readonly type: 'crash' };

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('batch' as const), size: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.constant({ type: 'watermark' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('idle' as const), isIdle: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('settle' as const),
      picks: fc.array(fc.tuple(fc.nat(20), fc.nat(4)), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.constant({ type: 'snapshot' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'crash' as const }) },
);

interface TrackedRecord {
  readonly id: number;
  readonly segment: number;
  /** What has to come out in its place, once that is decided. */
  results: readonly string[] | undefined;
  startedAt: number | undefined;
}

/** What the operator has to do, in the plainest terms: every rule is asked of every record, every time. */
class Oracle {
  readonly isOrdered: boolean;
  records: TrackedRecord[];
  segment: number;
  watermark: number;
  isIdle: boolean;

  constructor(isOrdered: boolean, from?: Oracle) {
    this.isOrdered = isOrdered;
    this.segment = (from?.segment ?? 0) + 1;
    // A restored subtask knows its records and its watermark, but neither answers nor where watermarks were.
    this.records = (from?.records ?? []).map((record) =>
      from!.mayLeave(record)
        ? { ...record }
        : { id: record.id, segment: this.segment, results: undefined, startedAt: undefined },
    );
    this.watermark = from?.watermark ?? MIN_TIMESTAMP;
    this.isIdle = false;
  }

  mayLeave(record: TrackedRecord): boolean {
    return (
      record.results !== undefined &&
      this.records.every(
        (other) =>
          other.results !== undefined ||
          (this.isOrdered ? other.id > record.id : other.segment >= record.segment),
      )
    );
  }

  get left(): TrackedRecord[] {
    return this.records.filter((record) => this.mayLeave(record));
  }

  get kept(): TrackedRecord[] {
    return this.records.filter((record) => !this.mayLeave(record));
  }
}

const textOf = (record: TrackedRecord): string[] => record.results!.map((result) => `${result}@${record.id}`);
const isText = (element: Element): element is string => typeof element === 'string';

class Run {
  readonly #isOrdered: boolean;
  readonly #capacity: number;
  #oracle: Oracle;
  #service = new RemoteService();
  #subtask: AsyncSubtask;
  /** What the world has seen since the beginning: forgotten back to the checkpoint at a crash. */
  #before: readonly Element[] = [];
  #checkpoint: { state: OperatorState; oracle: Oracle; seen: readonly Element[] } | undefined;
  /** Of each watermark: the first record after it, every time it was sent. */
  readonly #firstAfter = new Map<number, number[]>();
  #nextId = 0;
  #nextWatermark = 0;
  #now = 0;

  constructor(isOrdered: boolean, capacity: number) {
    this.#isOrdered = isOrdered;
    this.#capacity = capacity;
    this.#oracle = new Oracle(isOrdered);
    this.#subtask = this.#create();
  }

  #create(restored?: readonly OperatorState[]): AsyncSubtask {
    const service = Object.assign(new RemoteService(), {
      timeout: (id: number) => [`timeout ${id}`],
    });
    this.#service = service;
    const subtask = new AsyncSubtask(service, {
      isOrdered: this.#isOrdered,
      capacity: this.#capacity,
      timeoutMs: TIMEOUT_MS,
      retry: {
        ...AsyncRetryStrategies.exponentialBackoff({
          maxAttempts: MAX_ATTEMPTS,
          initialDelayMs: 5,
          maxDelayMs: 8,
        }),
        retryOnResult: (results) => results.length === 0,
      },
      ...(restored === undefined ? {} : { restored }),
    });
    subtask.clock.advance(this.#now);
    return subtask;
  }

  get #seen(): readonly Element[] {
    return [...this.#before, ...this.#subtask.elements];
  }

  #mark(timestamp: number): void {
    this.#oracle.watermark = timestamp;
    this.#oracle.segment++;
    this.#firstAfter.set(timestamp, [...(this.#firstAfter.get(timestamp) ?? []), this.#nextId]);
    this.#subtask.operator.processWatermark(timestamp);
  }

  async do(what: Command): Promise<void> {
    const { operator } = this.#subtask;
    switch (what.type) {
      case 'batch':
        if (operator.isFull === true) break; // then nothing is read
        for (let i = 0; i < what.size; i++) {
          const id = this.#nextId++;
          this.#oracle.records.push({
            id,
            segment: this.#oracle.segment,
            results: undefined,
            startedAt: undefined,
          });
          operator.processElement(id, id);
        }
        break;
      case 'watermark':
        if (!this.#oracle.isIdle) this.#mark(this.#nextWatermark++);
        break;
      case 'idle':
        this.#oracle.isIdle = what.isIdle;
        this.#oracle.segment++;
        operator.processIdle(what.isIdle);
        break;
      case 'settle':
        for (const [which, how] of what.picks) this.#settle(which, how);
        break;
      case 'advance':
        this.#subtask.clock.advance(what.ms);
        break;
      case 'snapshot':
        this.#checkpoint = {
          state: operator.snapshotState?.(1),
          oracle: new Oracle(this.#isOrdered, this.#oracle),
          seen: this.#seen,
        };
        break;
      case 'crash':
        await this.#crash();
        break;
    }
    await this.#subtask.turn();
    this.#check();
  }

  #settle(which: number, how: number): void {
    const { unsettled } = this.#service;
    if (unsettled.length === 0) return;
    const call = unsettled[which % unsettled.length]!;
    const record = this.#oracle.records.find(({ id }) => id === call.value)!;
    const isLast = call.attempt === MAX_ATTEMPTS;
    if (how === 0 && !isLast) call.reject(new Error('busy'));
    else {
      const results = how <= 1 ? [] : Array.from({ length: how - 1 }, (_, i) => `result ${call.value}.${i}`);
      if (record.results === undefined && (results.length > 0 || isLast)) record.results = results;
      call.resolve(results);
    }
  }

  async #crash(): Promise<void> {
    await this.#subtask.close();
    for (const { signal } of this.#service.unsettled) expect(signal.aborted).toBe(true);
    for (const call of [...this.#service.unsettled]) call.reject(new Error('aborted'));
    this.#now = this.#subtask.clock.now();
    const { state, oracle, seen } = this.#checkpoint ?? {
      state: undefined,
      oracle: new Oracle(this.#isOrdered),
      seen: [],
    };
    this.#before = seen;
    this.#oracle = new Oracle(this.#isOrdered, oracle);
    this.#subtask = this.#create(state === undefined ? undefined : [state]);
    await this.#subtask.operator.open?.();
    this.#subtask.operator.start?.();
    if (this.#oracle.watermark !== MIN_TIMESTAMP) this.#mark(this.#oracle.watermark);
  }

  #check(): void {
    const { clock, operator } = this.#subtask;
    const now = clock.now();
    for (const record of this.#oracle.records) {
      if (record.startedAt === undefined && this.#service.asked.includes(record.id)) record.startedAt = now;
      if (record.results === undefined && now >= (record.startedAt ?? Infinity) + TIMEOUT_MS)
        record.results = [`timeout ${record.id}`];
    }
    const { kept, left } = this.#oracle;
    // Everything that may leave has left, once; nothing else has.
    const seen = this.#seen;
    const texts = seen.filter(isText);
    const expected = left.flatMap(textOf);
    if (this.#isOrdered) expect(texts).toEqual(expected);
    else expect([...texts].sort()).toEqual([...expected].sort());
    // A snapshot would hold the others, in order.
    const state = operator.snapshotState?.(0) as { records: readonly { value: number; timestamp: number }[] };
    expect(state.records).toMatchObject(kept.map(({ id }) => ({ value: id, timestamp: id })));
    expect(operator.isFull).toBe(kept.length >= this.#capacity);
    // As many as may are asked about, oldest first.
    expect(this.#service.mostUnsettled).toBeLessThanOrEqual(this.#capacity);
    expect(kept.map(({ startedAt }) => startedAt !== undefined)).toEqual(
      kept.map((_, index) => index < this.#capacity),
    );
    this.#checkTime(seen, kept);
  }

  #checkTime(seen: readonly Element[], kept: readonly TrackedRecord[]): void {
    const idOf = (text: string) => Number(text.split('@')[1]);
    let highest = MIN_TIMESTAMP;
    for (const [index, element] of seen.entries()) {
      if (isText(element) || !('watermark' in element) || element.watermark <= highest) continue;
      highest = element.watermark; // after a restore it is only said again
      const before = seen.slice(0, index).filter(isText).map(idOf);
      const after = seen.slice(index).filter(isText).map(idOf);
      const isParted = (first: number) =>
        before.every((id) => id < first) && after.every((id) => id >= first);
      expect(this.#firstAfter.get(element.watermark)!.some(isParted)).toBe(true);
    }
    if (kept.length > 0) return;
    const { watermark, isIdle } = this.#oracle;
    const { elements } = this.#subtask; // after a crash everybody begins anew
    const last = (name: string) => elements.findLast((element) => !isText(element) && name in element);
    if (watermark !== MIN_TIMESTAMP) expect(last('watermark')).toEqual({ watermark });
    expect(last('isIdle') ?? { isIdle: false }).toEqual({ isIdle });
  }

  /** Answers everything and ends the input. */
  async finish(): Promise<void> {
    await this.do({ type: 'idle', isIdle: false });
    this.#mark(MAX_WATERMARK);
    for (let turns = 0; this.#subtask.operator.drain?.() !== 'done'; turns++) {
      expect(turns).toBeLessThan(10_000);
      await this.do({ type: 'settle', picks: [[turns, 2 + (turns % 3)]] });
      await this.do({ type: 'advance', ms: 1 });
    }
    this.#subtask.operator.finish?.();
    expect(this.#subtask.clock.pending).toBe(0);
    expect(this.#seen.at(-1)).toEqual({ watermark: MAX_WATERMARK });
    await this.#subtask.close();
  }
}

describe.each([true, false])('an async wait (ordered: %s)', (isOrdered) => {
  it('loses, doubles and reorders nothing, whatever is answered, retried, timed out or restored when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(command, { maxLength: 60 }),
        async (capacity, commands) => {
          const run = new Run(isOrdered, capacity);
          for (const what of commands) await run.do(what);
          await run.finish();
        },
      ),
      { numRuns: 200 },
    );
  });
});
