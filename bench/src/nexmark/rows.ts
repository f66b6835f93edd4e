/** How the rows of the queries are hashed, field by field: for the engine's sinks and for the hand-written loops. */
import type { Bid } from './events.js';
import { stringWord, type RowHash } from './row-hash.js';

/** The fields that several queries keep of a bid. */
export interface BidRow {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly dateTime: number;
  readonly extra: string;
}

/** q0, q1, q7. */
export function addBidRow(hash: RowHash, row: BidRow): void {
  addBidFields(hash, row.auction, row.bidder, row.price, row.dateTime, row.extra);
}

export function addBidFields(
  hash: RowHash,
  auction: number,
  bidder: number,
  price: number,
  dateTime: number,
  extra: string,
): void {
  hash.begin();
  hash.integer(auction);
  hash.integer(bidder);
  hash.integer(price);
  hash.integer(dateTime);
  hash.string(extra);
  hash.add();
}

/** Rows of whole numbers: q2, q4, q5, q9, q11. */
export function addIntegers(hash: RowHash, ...row: readonly number[]): void {
  hash.begin();
  for (const value of row) hash.integer(value);
  hash.add();
}

/** q3. */
export function addLocalItem(hash: RowHash, name: string, city: string, state: string, auction: number): void {
  hash.begin();
  hash.string(name);
  hash.string(city);
  hash.string(state);
  hash.integer(auction);
  hash.add();
}

/** q8. */
export function addNewSeller(hash: RowHash, id: number, name: string): void {
  hash.begin();
  hash.integer(id);
  hash.string(name);
  hash.add();
}

/** q18, q19. */
export function addWholeBid(hash: RowHash, bid: Bid): void {
  hashWholeBid(hash, bid);
  hash.add();
}

export function retractWholeBid(hash: RowHash, bid: Bid): void {
  hashWholeBid(hash, bid);
  hash.retract();
}

function hashWholeBid(hash: RowHash, bid: Bid): void {
  hash.begin();
  hash.integer(bid.auction);
  hash.integer(bid.bidder);
  hash.integer(bid.price);
  hash.string(bid.channel);
  hash.string(bid.url);
  hash.integer(bid.dateTime);
  hash.string(bid.extra);
}

/** q1: euros for dollars. */
export function inEuros(price: number): number {
  return Math.floor((price * 908) / 1000);
}

/** q2. */
export function isSelectedAuction(auction: number): boolean {
  return auction % 123 === 0;
}

/** q3. */
export const LOCAL_CATEGORY = 10;

export function isLocal(state: string): boolean {
  return state === 'OR' || state === 'ID' || state === 'CA';
}

/** q4, q9: the higher price, then the earlier bid, then the lower bidder. */
export interface Offer {
  readonly bidder: number;
  readonly price: number;
  readonly dateTime: number;
}

export function isBetterOffer(offer: Offer, best: Offer): boolean {
  if (offer.price !== best.price) return offer.price > best.price;
  if (offer.dateTime !== best.dateTime) return offer.dateTime < best.dateTime;
  return offer.bidder < best.bidder;
}

/** q7: the highest price, then the lowest time, auction, bidder. */
export function isHigherBid(bid: BidRow, best: BidRow): boolean {
  if (bid.price !== best.price) return bid.price > best.price;
  if (bid.dateTime !== best.dateTime) return bid.dateTime < best.dateTime;
  if (bid.auction !== best.auction) return bid.auction < best.auction;
  return bid.bidder < best.bidder;
}

/** q18: by time, price, and the extra's word: a total order, so that the order of arrival does not matter. */
export function isLaterBid(bid: Bid, last: Bid): boolean {
  if (bid.dateTime !== last.dateTime) return bid.dateTime > last.dateTime;
  if (bid.price !== last.price) return bid.price > last.price;
  return stringWord(bid.extra) > stringWord(last.extra);
}

/** q19: price descending; time, bidder and the extra's word ascending. */
export function ranksBefore(bid: Bid, other: Bid): boolean {
  if (bid.price !== other.price) return bid.price > other.price;
  if (bid.dateTime !== other.dateTime) return bid.dateTime < other.dateTime;
  if (bid.bidder !== other.bidder) return bid.bidder < other.bidder;
  return stringWord(bid.extra) < stringWord(other.extra);
}
