/** q5, q7, q8, q11, q12: what happens in ten seconds. */
import {
  EventTimeSessionWindows,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type AggregateFunction,
} from '@millrace/core-stream';
import { HashSink } from './hash-sink.js';
import { auctions, bids, people, type QueryProgram } from './program.js';
import { addBidRow, addIntegers, addNewSeller } from './rows.js';
import { isHigherBid } from './rules.js';

const WINDOW_MS = 10_000;
const SLIDE_MS = 2_000;

/** The number of records. */
const count: AggregateFunction<unknown, number, number> = {
  createAccumulator: () => 0,
  add: (_record, accumulator) => accumulator + 1,
  getResult: (accumulator) => accumulator,
  merge: (a, b) => a + b,
};

interface AuctionCount {
  readonly windowEnd: number;
  readonly auction: number;
  readonly count: number;
}

/** The auctions with the highest count. */
const mostBids: AggregateFunction<AuctionCount, AuctionCount[], AuctionCount[]> = {
  createAccumulator: () => [],
  add(candidate, ties) {
    const most = ties[0]?.count ?? 0;
    if (candidate.count > most) return [candidate];
    if (candidate.count === most) ties.push(candidate);
    return ties;
  },
  getResult: (ties) => ties,
  merge: (a, b) => b.reduce((ties, candidate) => mostBids.add(candidate, ties), a),
};

export const q5: QueryProgram = (events, total) => {
  bids(events)
    .keyBy(({ auction }) => auction)
    .window(SlidingEventTimeWindows.of(WINDOW_MS, SLIDE_MS))
    .aggregate<number, number, AuctionCount>(count, (auction, { window }, [bidCount], out) =>
      out.collect({ windowEnd: window.end, auction, count: bidCount! }),
    )
    .windowAll(TumblingEventTimeWindows.of(SLIDE_MS))
    .aggregate(mostBids)
    .sinkTo(
      new HashSink((hash, ties) => {
        for (const { windowEnd, auction, count } of ties) addIntegers(hash, windowEnd, auction, count);
      }, total),
    );
};

export const q7: QueryProgram = (events, total) => {
  bids(events)
    .windowAll(TumblingEventTimeWindows.of(WINDOW_MS))
    .reduce((best, bid) => (isHigherBid(bid, best) ? bid : best))
    .sinkTo(new HashSink(addBidRow, total));
};

interface NewSeller {
  readonly id: number;
  readonly name: string;
}

export const q8: QueryProgram = (events, total) => {
  const persons = people(events).map(({ id, name }): NewSeller => ({ id, name }));
  const sellers = auctions(events).map(({ seller }) => seller);
  persons
    .coGroup(sellers)
    .where(({ id }) => id)
    .equalTo((seller) => seller)
    .window(TumblingEventTimeWindows.of(WINDOW_MS))
    .apply<NewSeller>((newcomers, sales, out) => {
      if (sales.length > 0) for (const newcomer of newcomers) out.collect(newcomer);
    })
    .sinkTo(new HashSink((hash, { id, name }) => addNewSeller(hash, id, name), total));
};

export const q11: QueryProgram = (events, total) => {
  bids(events)
    .keyBy(({ bidder }) => bidder)
    .window(EventTimeSessionWindows.withGap(WINDOW_MS))
    .aggregate<number, number, readonly number[]>(count, (bidder, { window }, [bidCount], out) =>
      out.collect([bidder, bidCount!, window.start, window.end]),
    )
    .sinkTo(new HashSink((hash, row) => addIntegers(hash, ...row), total));
};

export const q12: QueryProgram = (events, total) => {
  bids(events)
    .keyBy(({ bidder }) => bidder)
    .window(TumblingProcessingTimeWindows.of(WINDOW_MS))
    .aggregate<number, number, { readonly bidder: number; readonly count: number }>(
      count,
      (bidder, _context, [bidCount], out) => out.collect({ bidder, count: bidCount! }),
    )
    .sinkTo(new HashSink((hash, row) => hash.count(row.count), total));
};
