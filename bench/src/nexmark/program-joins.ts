/** q3 and the winning bids of q4 and q9. */
import {
  ListStateDescriptor,
  ValueStateDescriptor,
  type DataStream,
  type KeyedCoProcessFunctionFactory,
  type KeyedProcessFunctionFactory,
} from '@millrace/core-stream';
import type { NexmarkEvent } from './events.js';
import { HashSink } from './hash-sink.js';
import { auctions, bids, people, type QueryProgram } from './program.js';
import { addIntegers, addLocalItem, retractIntegers } from './rows.js';
import { isBetterOffer, isLocal, LOCAL_CATEGORY, type Offer } from './rules.js';

interface LocalPerson {
  readonly id: number;
  readonly name: string;
  readonly city: string;
  readonly state: string;
}

interface ListedItem {
  readonly id: number;
  readonly seller: number;
}

interface LocalItem {
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly auction: number;
}

export const q3: QueryProgram = (events, total) => {
  const items = auctions(events)
    .filter(({ category }) => category === LOCAL_CATEGORY)
    .map(({ id, seller }): ListedItem => ({ id, seller }));
  const locals = people(events)
    .filter(({ state }) => isLocal(state))
    .map(({ id, name, city, state }): LocalPerson => ({ id, name, city, state }));
  items
    .keyBy(({ seller }) => seller)
    .connect(locals.keyBy(({ id }) => id))
    .process(itemsOfSeller)
    .sinkTo(
      new HashSink(
        (hash, { name, city, state, auction }) => addLocalItem(hash, name, city, state, auction),
        total,
      ),
    );
};

/** Joins a seller's items with the seller, whichever comes first. */
const itemsOfSeller: KeyedCoProcessFunctionFactory<number, ListedItem, LocalPerson, LocalItem> = (
  context,
) => {
  const seller = context.getState(new ValueStateDescriptor<LocalPerson>('seller'));
  const waiting = context.getListState(new ListStateDescriptor<number>('waiting'));
  const join = ({ name, city, state }: LocalPerson, auction: number) => ({ name, city, state, auction });
  return {
    processElement1({ id }, _context, out) {
      const person = seller.value();
      if (person === undefined) waiting.add(id);
      else out.collect(join(person, id));
    },
    processElement2(person, _context, out) {
      seller.update(person);
      for (const auction of waiting.get()) out.collect(join(person, auction));
      waiting.clear();
    },
  };
};

interface OpenAuction {
  readonly id: number;
  readonly category: number;
  readonly dateTime: number;
  readonly expires: number;
}

interface AuctionOffer extends Offer {
  readonly auction: number;
}

interface WinningBid extends AuctionOffer {
  readonly category: number;
}

/** Each auction with its best bid, when the watermark has passed the auction's end. */
function winningBids(events: DataStream<NexmarkEvent>): DataStream<WinningBid> {
  const opened = auctions(events).map(({ id, category, dateTime, expires }): OpenAuction => ({
    id,
    category,
    dateTime,
    expires,
  }));
  const offers = bids(events).map(({ auction, bidder, price, dateTime }): AuctionOffer => ({
    auction,
    bidder,
    price,
    dateTime,
  }));
  return opened
    .keyBy(({ id }) => id)
    .connect(offers.keyBy(({ auction }) => auction))
    .process(bestOffer);
}

const bestOffer: KeyedCoProcessFunctionFactory<number, OpenAuction, AuctionOffer, WinningBid> = (context) => {
  const auctionState = context.getState(new ValueStateDescriptor<OpenAuction>('auction'));
  const bestState = context.getState(new ValueStateDescriptor<AuctionOffer>('best'));
  /** Offers that came before their auction. */
  const early = context.getListState(new ListStateDescriptor<AuctionOffer>('early'));
  const consider = (auction: OpenAuction, offer: AuctionOffer) => {
    if (offer.dateTime < auction.dateTime || offer.dateTime > auction.expires) return;
    const best = bestState.value();
    if (best === undefined || isBetterOffer(offer, best)) bestState.update(offer);
  };
  return {
    processElement1(auction, { timers }) {
      auctionState.update(auction);
      timers.registerEventTimeTimer(auction.expires);
      for (const offer of early.get()) consider(auction, offer);
      early.clear();
    },
    processElement2(offer, { timers }) {
      const auction = auctionState.value();
      if (auction !== undefined) consider(auction, offer);
      else {
        early.add(offer);
        timers.registerEventTimeTimer(offer.dateTime);
      }
    },
    onTimer(timestamp, _context, out) {
      const auction = auctionState.value();
      if (auction === undefined) {
        early.update(early.get().filter(({ dateTime }) => dateTime > timestamp));
      } else if (auction.expires === timestamp) {
        const best = bestState.value();
        if (best !== undefined) {
          const { bidder, price, dateTime } = best;
          out.collect({ auction: auction.id, category: auction.category, bidder, price, dateTime });
        }
        bestState.clear();
        auctionState.clear();
      }
    },
  };
};

export const q9: QueryProgram = (events, total) => {
  winningBids(events).sinkTo(
    new HashSink(
      (hash, { auction, category, bidder, price, dateTime }) =>
        addIntegers(hash, auction, category, bidder, price, dateTime),
      total,
    ),
  );
};

interface AverageChange {
  readonly isAddition: boolean;
  readonly category: number;
  readonly average: number;
}

export const q4: QueryProgram = (events, total) => {
  winningBids(events)
    .keyBy(({ category }) => category)
    .process(averagePrice)
    .sinkTo(
      new HashSink((hash, { isAddition, category, average }) => {
        if (isAddition) addIntegers(hash, category, average);
        else retractIntegers(hash, category, average);
      }, total),
    );
};

const averagePrice: KeyedProcessFunctionFactory<number, WinningBid, AverageChange> = (context) => {
  const state = context.getState(
    new ValueStateDescriptor<{ readonly sum: number; readonly count: number }>('total'),
  );
  const average = ({ sum, count }: { readonly sum: number; readonly count: number }) =>
    Math.floor(sum / count);
  return {
    processElement({ category, price }, _context, out) {
      const before = state.value();
      if (before !== undefined) out.collect({ isAddition: false, category, average: average(before) });
      const after = { sum: (before?.sum ?? 0) + price, count: (before?.count ?? 0) + 1 };
      state.update(after);
      out.collect({ isAddition: true, category, average: average(after) });
    },
  };
};
