/** q5, q7, q11, q12: what happens in ten seconds. */
import { BID, type Bid } from './events.js';
import type { CreateQueryLoop } from './loop.js';
import { addBidRow, addIntegers } from './rows.js';
import { isHigherBid } from './rules.js';

const PANE_MS = 2_000;
const PANES = 5;

interface Counter {
  count: number;
}

/** Counts per pane of two seconds; a window is the sum of five of them. */
export const q5Loop: CreateQueryLoop = (generator, hash) => {
  let panes: Map<number, Counter>[] = [];
  let pane = new Map<number, Counter>();
  let paneEnd = 0;
  const closePane = () => {
    panes = [...panes.slice(1 - PANES), pane];
    pane = new Map();
    emitWindow();
    paneEnd += PANE_MS;
  };
  const emitWindow = () => {
    const counts = new Map<number, number>();
    for (const counters of panes) {
      for (const [auction, { count }] of counters) counts.set(auction, (counts.get(auction) ?? 0) + count);
    }
    let most = 0;
    for (const count of counts.values()) if (count > most) most = count;
    for (const [auction, count] of counts) if (count === most) addIntegers(hash, paneEnd, auction, count);
  };
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type !== BID) continue;
        if (event.dateTime >= paneEnd) {
          if (paneEnd === 0) paneEnd = event.dateTime - (event.dateTime % PANE_MS) + PANE_MS;
          while (event.dateTime >= paneEnd) closePane();
        }
        const counter = pane.get(event.auction);
        if (counter === undefined) pane.set(event.auction, { count: 1 });
        else counter.count++;
      }
    },
    finish() {
      for (let i = 0; i < PANES; i++) closePane();
    },
  };
};

export const q7Loop: CreateQueryLoop = (generator, hash) => {
  let best: Bid | undefined;
  let windowEnd = 0;
  const close = () => {
    if (best !== undefined) addBidRow(hash, best);
    best = undefined;
  };
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type !== BID) continue;
        if (event.dateTime >= windowEnd) {
          close();
          windowEnd = event.dateTime - (event.dateTime % 10_000) + 10_000;
        }
        if (best === undefined || isHigherBid(event, best)) best = event;
      }
    },
    finish: close,
  };
};

interface Session {
  readonly start: number;
  last: number;
  count: number;
}

const GAP_MS = 10_000;

export const q11Loop: CreateQueryLoop = (generator, hash) => {
  const sessions = new Map<number, Session>();
  let nextSweep = 0;
  const emit = (bidder: number, { start, last, count }: Session) =>
    addIntegers(hash, bidder, count, start, last + GAP_MS);
  /** Sessions that are over are emitted now and then: each bid keeps its bidder's open for a while. */
  const sweep = (now: number) => {
    for (const [bidder, session] of sessions) {
      if (session.last + GAP_MS >= now) continue;
      emit(bidder, session);
      sessions.delete(bidder);
    }
  };
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type !== BID) continue;
        const { bidder, dateTime } = event;
        if (dateTime >= nextSweep) {
          sweep(dateTime);
          nextSweep = dateTime + GAP_MS;
        }
        const session = sessions.get(bidder);
        if (session !== undefined && dateTime <= session.last + GAP_MS) {
          session.last = dateTime;
          session.count++;
        } else {
          if (session !== undefined) emit(bidder, session);
          sessions.set(bidder, { start: dateTime, last: dateTime, count: 1 });
        }
      }
    },
    finish: () => sweep(Infinity),
  };
};

/** Reads the clock once a range. */
export const q12Loop: CreateQueryLoop = (generator, hash) => {
  const counters = new Map<number, Counter>();
  let windowEnd = 0;
  const close = () => {
    for (const { count } of counters.values()) hash.count(count);
    counters.clear();
  };
  return {
    run(from, to) {
      const now = Date.now();
      if (now >= windowEnd) {
        close();
        windowEnd = now - (now % 10_000) + 10_000;
      }
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type !== BID) continue;
        const counter = counters.get(event.bidder);
        if (counter === undefined) counters.set(event.bidder, { count: 1 });
        else counter.count++;
      }
    },
    finish: close,
  };
};
