/** q5, q7, q11, q12: what happens in ten seconds. */
import { SlidingEventTimeWindows, type AggregateFunction } from '@millrace/core-stream';
import { HashSink } from './hash-sink.js';
import { bids, type QueryProgram } from './program.js';
import { addIntegers } from './rows.js';

/** The number of records. */
const count: AggregateFunction<unknown, number, number> = {
  createAccumulator: () => 0,
  add: (_value, accumulator) => accumulator + 1,
  getResult: (accumulator) => accumulator,
  merge: (a, b) => a + b,
};

interface AuctionCount {
  readonly windowEnd: number;
  readonly auction: number;
  readonly count: number;
}

/** The records with the highest count. */
const mostFrequent: AggregateFunction<AuctionCount, AuctionCount[], AuctionCount[]> = {
  createAccumulator: () => [],
  add(value, ties) {
    const most = ties[0]?.count ?? 0;
    if (value.count > most) return [value];
    if (value.count === most) ties.push(value);
    return ties;
  },
  getResult: (ties) => ties,
  merge: (a, b) => b.reduce((ties, value) => mostFrequent.add(value, ties), a),
};
