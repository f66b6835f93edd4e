import { describe, expect, it } from 'vitest';
import {
  EventTimeSessionWindows,
  OutputTag,
  ProcessingTimeSessionWindows,
  type DataStream,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

const late = new OutputTag<number>('late');
const program =
  (latenessMs = 0, gapMs = 10) =>
  (input: DataStream<number>) =>
    input
      .keyBy((n) => (n < 0 ? 'negative' : 'positive'))
      .window(EventTimeSessionWindows.withGap(gapMs))
      .allowedLateness(latenessMs)
      .sideOutputLateData(late)
      .process<string>((_key, { window: { start, end } }, elements, out) =>
        out.collect(`[${start}, ${end}) ${[...elements].join()}`),
      );

describe('session windows', () => {
  it('session invariant 1: sessions that touch are one, those a millisecond apart are not', async () => {
    const harness = await OperatorHarness.of(program());
    for (const at of [0, 10, 21]) harness.push(at, at);
    harness.watermark(100);
    expect(harness.values()).toEqual(['[0, 20) 0,10', '[21, 31) 21']);
    expect(harness.records().map(({ timestamp }) => timestamp)).toEqual([19, 30]);
  });

  it('session invariant 1: a record in between makes two sessions one, the earlier one’s records first', async () => {
    const harness = await OperatorHarness.of(program());
    for (const at of [15, 0, 7]) harness.push(at, at);
    harness.watermark(100);
    expect(harness.values()).toEqual(['[0, 25) 0,15,7']);
  });

  it('session invariant 2: a record is late only where it would be alone', async () => {
    const harness = await OperatorHarness.of(program());
    harness.push(10, 10);
    harness.watermark(15);
    harness.push(2, 2); // its own window would end at 12, but it belongs to [10, 20)
    harness.push(1, 1); // and so does this one, to what is [2, 20) by now
    harness.push(-1, 1); // another key
    expect(harness.values(late)).toEqual([-1]);
    harness.watermark(19);
    expect(harness.values()).toEqual(['[1, 20) 10,2,1']);
  });

  it('session invariant 3: an allowed late record emits its session again, or lets it wait for its new end', async () => {
    const harness = await OperatorHarness.of(program(20));
    harness.push(1, 1);
    harness.watermark(15);
    expect(harness.values()).toEqual(['[1, 11) 1']);
    harness.push(2, 2);
    expect(harness.values().slice(1)).toEqual(['[1, 12) 1,2']);
    harness.push(9, 9); // its end is ahead of the watermark now
    expect(harness.values().slice(2)).toEqual([]);
    harness.watermark(18);
    expect(harness.values().slice(2)).toEqual(['[1, 19) 1,2,9']);
    harness.watermark(38);
    harness.push(8, 8); // that session is gone, and its own would have to be
    expect(harness.values(late)).toEqual([8]);
  });

  it('session invariant 3: sessions come out by end, then in the order in which they got their bounds', async () => {
    const harness = await OperatorHarness.of(program());
    harness.push(1, 1);
    harness.push(-1, 3);
    harness.push(3, 3); // as long as the other key’s, but later
    harness.watermark(100);
    expect(harness.values()).toEqual(['[3, 13) -1', '[1, 13) 1,3']);
  });

  it('session invariant 5: goes on over a restore at another parallelism, fired sessions wait for late records only', async () => {
    const before = await OperatorHarness.of(program(20));
    before.push(1, 1);
    before.push(-1, 14);
    before.watermark(15);
    const harness = await OperatorHarness.of(program(20), { restored: before.snapshot(), parallelism: 3 });
    harness.watermark(15);
    expect(harness.values()).toEqual([]);
    harness.push(2, 2);
    harness.watermark(30);
    expect(harness.values()).toEqual(['[1, 12) 1,2', '[14, 24) -1']);
  });

  it('of the clock grow with each record, and end when it has stood a gap away', async () => {
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .windowAll(ProcessingTimeSessionWindows.withGap(10))
        .process<string>(({ window: { start, end } }, elements, out) =>
          out.collect(`[${start}, ${end}) ${[...elements].join()}`),
        ),
    );
    for (let n = 0; n < 5; n++) {
      harness.push(n);
      harness.advanceProcessingTime(5);
    }
    expect(harness.values()).toEqual([]);
    harness.advanceProcessingTime(5);
    expect(harness.records()).toEqual([{ value: '[0, 30) 0,1,2,3,4', timestamp: 29 }]);
  });
});
