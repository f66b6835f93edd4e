/** q3, q8 and the winning bids of q4 and q9. */
import { AUCTION, BID, PERSON, type Auction, type Bid, type Person } from './events.js';
import type { Generator } from './generator.js';
import type { CreateQueryLoop, QueryLoop } from './loop.js';
import { addIntegers, addLocalItem, addNewSeller, retractIntegers } from './rows.js';
import { isBetterOffer, isLocal, LOCAL_CATEGORY } from './rules.js';

export const q3Loop: CreateQueryLoop = (generator, hash) => {
  const localPeople = new Map<number, Person>();
  /** Auctions of people who may still come. */
  const waiting = new Map<number, number[]>();
  let lastPerson = 0;
  const emit = ({ name, city, state }: Person, auction: number) =>
    addLocalItem(hash, name, city, state, auction);
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type === PERSON) {
          lastPerson = event.id;
          const isWanted = isLocal(event.state);
          if (isWanted) localPeople.set(event.id, event);
          const auctions = waiting.get(event.id);
          if (auctions === undefined) continue;
          waiting.delete(event.id);
          if (isWanted) for (const auction of auctions) emit(event, auction);
        } else if (event.type === AUCTION && event.category === LOCAL_CATEGORY) {
          const seller = localPeople.get(event.seller);
          if (seller !== undefined) emit(seller, event.id);
          else if (event.seller > lastPerson) {
            const auctions = waiting.get(event.seller);
            if (auctions === undefined) waiting.set(event.seller, [event.id]);
            else auctions.push(event.id);
          }
        }
      }
    },
    finish() {},
  };
};

export const q8Loop: CreateQueryLoop = (generator, hash) => {
  const names = new Map<number, string>();
  const sellers = new Set<number>();
  let windowEnd = 0;
  const close = () => {
    for (const [id, name] of names) if (sellers.has(id)) addNewSeller(hash, id, name);
    names.clear();
    sellers.clear();
  };
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.type === BID) continue;
        if (event.dateTime >= windowEnd) {
          close();
          windowEnd = event.dateTime - (event.dateTime % 10_000) + 10_000;
        }
        if (event.type === PERSON) names.set(event.id, event.name);
        else sellers.add(event.seller);
      }
    },
    finish: close,
  };
};

interface OpenAuction {
  readonly auction: Auction;
  best: Bid | undefined;
}

/** No auction is open for longer than this: a power of two above twice 167 ms. */
const EXPIRY_SLOTS = 512;

/** Calls `onWinner` for each auction that had a bid, once it has expired. */
function winningBids(generator: Generator, onWinner: (auction: Auction, best: Bid) => void): QueryLoop {
  const open = new Map<number, OpenAuction>();
  /** The open auctions by the millisecond of their expiry. */
  const expiring: OpenAuction[][] = Array.from({ length: EXPIRY_SLOTS }, () => []);
  /** Bids of the current millisecond whose auction may still come within it. */
  const early: Bid[] = [];
  let now = 0;
  const expire = (time: number) => {
    const slot = expiring[time % EXPIRY_SLOTS]!;
    for (const { auction, best } of slot) {
      open.delete(auction.id);
      if (best !== undefined) onWinner(auction, best);
    }
    slot.length = 0;
  };
  const consider = (entry: OpenAuction, bid: Bid) => {
    if (entry.best === undefined || isBetterOffer(bid, entry.best)) entry.best = bid;
  };
  return {
    run(from, to) {
      for (let n = from; n < to; n++) {
        const event = generator.event(n);
        if (event.dateTime !== now) {
          if (now === 0) now = event.dateTime;
          for (; now < event.dateTime; now++) expire(now);
          early.length = 0;
        }
        if (event.type === BID) {
          const entry = open.get(event.auction);
          if (entry !== undefined) consider(entry, event);
          else early.push(event);
        } else if (event.type === AUCTION) {
          const entry: OpenAuction = { auction: event, best: undefined };
          open.set(event.id, entry);
          expiring[event.expires % EXPIRY_SLOTS]!.push(entry);
          for (const bid of early) if (bid.auction === event.id) consider(entry, bid);
        }
      }
    },
    finish() {
      for (let time = now; time < now + EXPIRY_SLOTS; time++) expire(time);
    },
  };
}

export const q9Loop: CreateQueryLoop = (generator, hash) =>
  winningBids(generator, (auction, best) =>
    addIntegers(hash, auction.id, auction.category, best.bidder, best.price, best.dateTime),
  );

export const q4Loop: CreateQueryLoop = (generator, hash) => {
  const totals = new Map<number, { sum: number; count: number }>();
  return winningBids(generator, ({ category }, { price }) => {
    let total = totals.get(category);
    if (total === undefined) totals.set(category, (total = { sum: 0, count: 0 }));
    else retractIntegers(hash, category, Math.floor(total.sum / total.count));
    total.sum += price;
    total.count++;
    addIntegers(hash, category, Math.floor(total.sum / total.count));
  });
};
