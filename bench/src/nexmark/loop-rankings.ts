/** q18, q19: the last and the best bids, as changelogs. */
import { BID, type Bid } from './events.js';
import type { CreateQueryLoop } from './loop.js';
import { addWholeBid, retractWholeBid } from './rows.js';
import { isLaterBid, ranksBefore } from './rules.js';

export const q18Loop: CreateQueryLoop = (generator, hash) => {
  /** By auction and bidder. */
  const lasts = new Map<number, Map<number, Bid>>();
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type !== BID) continue;
        let ofAuction = lasts.get(event.auction);
        if (ofAuction === undefined) lasts.set(event.auction, (ofAuction = new Map<number, Bid>()));
        const last = ofAuction.get(event.bidder);
        if (last !== undefined) {
          if (!isLaterBid(event, last)) continue;
          retractWholeBid(hash, last);
        }
        ofAuction.set(event.bidder, event);
        addWholeBid(hash, event);
      }
    },
    finish() {},
  };
};

const RANKS = 10;

export const q19Loop: CreateQueryLoop = (generator, hash) => {
  const tops = new Map<number, Bid[]>();
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type !== BID) continue;
        const top = tops.get(event.auction);
        if (top === undefined) {
          tops.set(event.auction, [event]);
          addWholeBid(hash, event);
          continue;
        }
        if (top.length === RANKS) {
          const lowest = top[RANKS - 1]!;
          if (!ranksBefore(event, lowest)) continue;
          retractWholeBid(hash, lowest);
          top.length = RANKS - 1;
        }
        let rank = top.length;
        for (; rank > 0 && ranksBefore(event, top[rank - 1]!); rank--) top[rank] = top[rank - 1]!;
        top[rank] = event;
        addWholeBid(hash, event);
      }
    },
    finish() {},
  };
};
