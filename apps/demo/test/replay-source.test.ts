import { StreamExecutionEnvironment, type DataGeneratorSource } from '@millrace/core-stream';
import { describe, expect, it } from 'vitest';
import type { RawFlight } from '../src/flight.js';
import { NO_AIRPORT, type FlightColumns } from '../src/flights-file.js';
import { replayOrder, replaySource } from '../src/replay-source.js';

const MINUTE = 60_000;

function columns(flights: readonly (readonly [dateMinute: number, delay: number])[]): FlightColumns {
  return {
    rows: flights.length,
    date: Float64Array.from(flights, ([minute]) => minute * MINUTE),
    delay: Float64Array.from(flights, ([, delay]) => delay),
    distance: Float64Array.from(flights, () => 100),
    origin: Uint16Array.from(flights, () => 0),
    destination: Uint16Array.from(flights, () => NO_AIRPORT),
    airports: ['SFO'],
  };
}

async function replay(source: DataGeneratorSource<RawFlight>): Promise<RawFlight[]> {
  const records: RawFlight[] = [];
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  env.addSource(source).addSink({ emit: (record) => void records.push(record) });
  await env.execute('replay');
  return records;
}

describe('replaySource', () => {
  it('emits records in the order of date + delay, and of rows where those are equal', async () => {
    const records = await replay(
      replaySource(
        columns([
          [10, 50],
          [20, -5],
          [30, 30],
          [40, 20],
          [15, 0],
        ]),
      ),
    );
    expect(records.map(({ row }) => row)).toEqual([1, 4, 0, 2, 3]);
    expect(records[0]).toEqual({
      row: 1,
      arrivedAt: 15 * MINUTE,
      date: 20 * MINUTE,
      delay: -5,
      distance: 100,
      origin: 'SFO',
      destination: null,
    });
  });

  it('keeps a row without a date or delay beside the row before it, and says null', async () => {
    const records = await replay(
      replaySource(
        columns([
          [10, 0],
          [NaN, 0],
          [5, 0],
          [30, NaN],
        ]),
      ),
    );
    expect(records.map(({ row, date, delay }) => [row, date, delay])).toEqual([
      [2, 5 * MINUTE, 0],
      [3, 30 * MINUTE, null],
      [0, 10 * MINUTE, 0],
      [1, null, 0],
    ]);
  });

  it('goes on from the position in a checkpoint', () => {
    const source = replaySource(
      columns([
        [1, 0],
        [2, 0],
        [3, 0],
        [4, 0],
      ]),
    );
    const context = { requestSplit: () => undefined } as Parameters<
      DataGeneratorSource<RawFlight>['createReader']
    >[0];
    const rows: number[] = [];
    const output = { collect: ({ row }: RawFlight) => rows.push(row) } as unknown as Parameters<
      ReturnType<DataGeneratorSource<RawFlight>['createReader']>['pollNext']
    >[0];
    const first = source.createReader(context);
    first.addSplits([{ splitId: 'replay', next: 0, step: 1, end: 4 }]);
    first.pollNext(output, 3);
    const second = source.createReader(context);
    second.addSplits(first.snapshotState(1));
    second.pollNext(output, 3);
    expect(rows).toEqual([0, 1, 2, 3]);
    expect(second.snapshotState(2)).toEqual([]);
  });

  it('orders negative arrivals too', () => {
    expect([...replayOrder(Float64Array.of(0, -3000, 5000, -3000))]).toEqual([1, 3, 0, 2]);
  });
});
