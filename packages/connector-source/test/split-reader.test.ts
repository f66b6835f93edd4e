import {
  silentLogger,
  type ReaderOutput,
  type SourceReaderContext,
  type SourceSplit,
} from '@millrace/core-stream';
import { TestMetrics } from '@millrace/core-stream/testing';
import type { DruidClient } from '@millrace/druid-client';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RowBuffer } from '../src/row-buffer.js';
import { SplitReader, type OpenSplit, type SplitReading } from '../src/split-reader.js';
import { HastyClock } from './support/test-job.js';

interface Numbers extends SourceSplit {
  readonly position: number;
  readonly batches: readonly (readonly number[])[];
}

/** Splits of numbers; `fail` breaks the last one off after its rows, `hold` never ends a fetch. */
class NumberReading implements SplitReading<number, Numbers, OpenSplit<Numbers>, readonly number[]> {
  readonly fetched: number[] = [];
  isClosed = false;
  private readonly ending: 'end' | 'fail' | 'hold';
  private readonly tells: boolean;

  constructor(ending: 'end' | 'fail' | 'hold' = 'end', tells = false) {
    this.ending = ending;
    this.tells = tells;
  }

  open(splits: readonly Numbers[]): OpenSplit<Numbers>[] {
    return splits.map((split) => ({ split, position: split.position }));
  }

  async *fetch({ split }: OpenSplit<Numbers>, { signal }: { readonly signal: AbortSignal }) {
    let skip = split.position;
    for (const batch of split.batches) {
      await Promise.resolve();
      const rows = batch.slice(skip);
      skip = Math.max(0, skip - batch.length);
      this.fetched.push(...rows);
      yield rows;
    }
    if (this.ending === 'fail') throw new Error('broken off');
    if (this.ending === 'hold') {
      await new Promise((resolve) => void signal.addEventListener('abort', resolve, { once: true }));
    }
  }

  emit(
    _: OpenSplit<Numbers>,
    batch: readonly number[],
    from: number,
    count: number,
    output: ReaderOutput<number>,
  ) {
    for (const value of batch.slice(from, from + count)) output.collect(value);
  }

  snapshot({ split, position }: OpenSplit<Numbers>): Numbers {
    return { ...split, position };
  }

  /** Only a reading that tells has the next split opened ahead. */
  rowsLeft({ split, position }: OpenSplit<Numbers>): number | undefined {
    return this.tells ? split.batches.flat().length - position : undefined;
  }

  close(): void {
    this.isClosed = true;
  }
}

function readerOf(
  reading: NumberReading,
  maxBufferedRows: number,
  requests = { count: 0 },
  emitted: number[] = [],
) {
  const context: SourceReaderContext = {
    subtaskIndex: 0,
    parallelism: 1,
    operatorUid: 'numbers',
    clock: new HastyClock(),
    logger: silentLogger,
    metrics: new TestMetrics().group,
    signal: new AbortController().signal,
    requestSplit: () => void requests.count++,
  };
  let released = 0;
  const openClient = () => ({ druid: {} as DruidClient, release: () => void released++ });
  const reader = new SplitReader({ context, openClient, maxBufferedRows, reading });
  const output: ReaderOutput<number> = {
    collect: (value) => void emitted.push(value),
    advanceTo: () => undefined,
    sideOutput: () => undefined,
    forSplit: () => output,
    releaseSplit: () => undefined,
  };
  return { reader, output, emitted, requests, released: () => released };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

it('emits every row once under any sizes of batches, buffer and polls, stopped anywhere (invariants 1, 2 and 4)', async () => {
  const batches = fc.array(fc.array(fc.nat(), { maxLength: 5 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(batches, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat({ max: 30 }),
      fc.boolean(),
      async (contents, maxBufferedRows, pollSize, stopAfter, tells) => {
        const splits = contents.map((of, i): Numbers => ({ splitId: `s${i}`, position: 0, batches: of }));
        const expected = contents.flat(2);
        const emitted: number[] = [];
        let restored: readonly Numbers[] = splits;
        for (const limit of [stopAfter, Infinity]) {
          const { reader, output } = readerOf(
            new NumberReading('end', tells),
            maxBufferedRows,
            { count: 0 },
            emitted,
          );
          reader.addSplits(restored);
          reader.notifyNoMoreSplits();
          reader.start();
          for (;;) {
            const status = reader.pollNext(output, pollSize);
            if (status === 'end' || emitted.length >= limit) break;
            if (status === 'wait') await reader.isAvailable();
          }
          restored = reader.snapshotState();
          await reader.close();
        }
        expect(emitted).toEqual(expected);
        expect(restored).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});

it('fetches no more than the buffer holds and one batch while nobody polls, and asks for one split (invariant 4)', async () => {
  const reading = new NumberReading();
  const { reader, requests } = readerOf(reading, 5);
  reader.start();
  reader.addSplits([{ splitId: 'a', position: 0, batches: Array.from({ length: 9 }, () => [1, 2, 3]) }]);
  for (let i = 0; i < 20; i++) await turn();
  expect(reading.fetched).toHaveLength(6);
  expect(requests.count).toBe(1);
  await reader.close();
});

it('opens the next split near the end of the last one, and fetches its first rows only (invariant 4)', async () => {
  const reading = new NumberReading('hold', true);
  const { reader, output, emitted } = readerOf(reading, 100);
  const batches = [[1], [2], [3]];
  reader.addSplits(['a', 'b', 'c'].map((splitId) => ({ splitId, position: 0, batches })));
  reader.start();
  for (let i = 0; i < 20; i++) await turn();
  expect(reading.fetched.sort()).toEqual([1, 1, 2, 3]); // all of 'a', whose end is held up, and the first of 'b'
  reader.pollNext(output, 100);
  expect(emitted).toEqual([1, 2, 3]);
  await reader.close();
});

it('asks for the next split near the end of the last one (invariant 4)', async () => {
  const { reader, requests } = readerOf(new NumberReading('hold', true), 100);
  reader.start();
  expect(requests.count).toBe(1);
  reader.addSplits([{ splitId: 'a', position: 0, batches: [[1], [2]] }]);
  for (let i = 0; i < 10; i++) await turn();
  expect(requests.count).toBe(2);
  await reader.close();
});

it('emits what was read before it raises a failure (invariant 3)', async () => {
  const { reader, output, emitted, released } = readerOf(new NumberReading('fail'), 100);
  reader.addSplits([{ splitId: 'a', position: 0, batches: [[1, 2], [3]] }]);
  reader.start();
  for (let i = 0; i < 10; i++) await turn();
  expect(reader.pollNext(output, 2)).toBe('more');
  expect(() => reader.pollNext(output, 2)).toThrow('broken off');
  expect(emitted).toEqual([1, 2, 3]);
  expect(reader.snapshotState()).toMatchObject([{ splitId: 'a', position: 3 }]);
  await expect(reader.isAvailable()).rejects.toThrow('broken off');
  await reader.close();
  expect(released()).toBe(1);
});

it.each([
  ['its buffer is full', 1, 'end'],
  ['a fetch hangs', 100, 'hold'],
  ['it waits for a split', 100, 'end'],
] as const)(
  'closes while %s, and gives the client back (invariant 5)',
  async (_, maxBufferedRows, ending) => {
    const reading = new NumberReading(ending);
    const { reader, output, released } = readerOf(reading, maxBufferedRows);
    reader.addSplits([{ splitId: 'a', position: 0, batches: [[1], [2], [3]] }]);
    reader.start();
    for (let i = 0; i < 10; i++) await turn();
    await reader.close();
    expect([reading.isClosed, released()]).toEqual([true, 1]);
    await reader.isAvailable();
    expect(reader.pollNext(output, 10)).toBe('wait');
  },
);

it('takes nothing, and waits for nothing, once the buffer is closed (invariant 2 of the buffer)', async () => {
  const buffer = new RowBuffer<string, readonly number[]>(1);
  const waiting = buffer.put('a', [1]);
  buffer.close();
  await waiting;
  await buffer.put('a', [2, 3]);
  expect(buffer.isEmpty).toBe(true);
  await buffer.changed();
});
