/** q0, q1, q2: one record after the other, nothing kept. */
import { HashSink } from './hash-sink.js';
import { bids, type QueryProgram } from './program.js';
import { addBidRow, addIntegers } from './rows.js';
import { inEuros, isSelectedAuction } from './rules.js';

export const q0: QueryProgram = (events, total) => {
  bids(events).sinkTo(new HashSink(addBidRow, total));
};

export const q1: QueryProgram = (events, total) => {
  bids(events)
    .map(({ auction, bidder, price, dateTime, extra }) => ({
      auction,
      bidder,
      price: inEuros(price),
      dateTime,
      extra,
    }))
    .sinkTo(new HashSink(addBidRow, total));
};

export const q2: QueryProgram = (events, total) => {
  bids(events)
    .filter(({ auction }) => isSelectedAuction(auction))
    .map(({ auction, price }) => ({ auction, price }))
    .sinkTo(new HashSink((hash, { auction, price }) => addIntegers(hash, auction, price), total));
};
