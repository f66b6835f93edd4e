/** q0, q1, q2: one event after the other, nothing kept. */
import { BID } from './events.js';
import type { CreateQueryLoop } from './loop.js';
import { addBidFields, addBidRow, addIntegers } from './rows.js';
import { inEuros, isSelectedAuction } from './rules.js';

export const q0Loop: CreateQueryLoop = (generator, hash) => ({
  run(from, to) {
    for (let n = from; n < to; n++) {
      const event = generator.event(n);
      if (event.type === BID) addBidRow(hash, event);
    }
  },
  finish() {},
});

export const q1Loop: CreateQueryLoop = (generator, hash) => ({
  run(from, to) {
    for (let n = from; n < to; n++) {
      const event = generator.event(n);
      if (event.type !== BID) continue;
      addBidFields(hash, event.auction, event.bidder, inEuros(event.price), event.dateTime, event.extra);
    }
  },
  finish() {},
});

export const q2Loop: CreateQueryLoop = (generator, hash) => ({
  run(from, to) {
    for (let n = from; n < to; n++) {
      const event = generator.event(n);
      if (event.type === BID && isSelectedAuction(event.auction))
        addIntegers(hash, event.auction, event.price);
    }
  },
  finish() {},
});
