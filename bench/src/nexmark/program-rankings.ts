/** q18, q19: the last and the best bids, as changelogs. */
import { ValueStateDescriptor, type KeyedProcessFunctionFactory } from '@millrace/core-stream';
import type { Bid } from './events.js';
import { HashSink, type AddRow } from './hash-sink.js';
import { bids, type QueryProgram } from './program.js';
import { addWholeBid, retractWholeBid } from './rows.js';
import { isLaterBid, ranksBefore } from './rules.js';

interface Change {
  readonly isAddition: boolean;
  readonly bid: Bid;
}

const addChange: AddRow<Change> = (hash, { isAddition, bid }) =>
  isAddition ? addWholeBid(hash, bid) : retractWholeBid(hash, bid);

export const q18: QueryProgram = (events, total) => {
  bids(events)
    .keyBy(({ auction, bidder }) => `${auction}:${bidder}`)
    .process(lastBid)
    .sinkTo(new HashSink(addChange, total));
};

const lastBid: KeyedProcessFunctionFactory<string, Bid, Change> = (context) => {
  const state = context.getState(new ValueStateDescriptor<Bid>('last'));
  return {
    processElement(bid, _context, out) {
      const last = state.value();
      if (last !== undefined) {
        if (!isLaterBid(bid, last)) return;
        out.collect({ isAddition: false, bid: last });
      }
      state.update(bid);
      out.collect({ isAddition: true, bid });
    },
  };
};

const RANKS = 10;

export const q19: QueryProgram = (events, total) => {
  bids(events)
    .keyBy(({ auction }) => auction)
    .process(topBids)
    .sinkTo(new HashSink(addChange, total));
};

const topBids: KeyedProcessFunctionFactory<number, Bid, Change> = (context) => {
  const state = context.getState(new ValueStateDescriptor<readonly Bid[]>('top'));
  return {
    processElement(bid, _context, out) {
      const top = state.value() ?? [];
      const lowest = top[RANKS - 1];
      if (lowest !== undefined) {
        if (!ranksBefore(bid, lowest)) return;
        out.collect({ isAddition: false, bid: lowest });
      }
      const rank = top.findIndex((other) => ranksBefore(bid, other));
      state.update(top.toSpliced(rank === -1 ? top.length : rank, 0, bid).slice(0, RANKS));
      out.collect({ isAddition: true, bid });
    },
  };
};
