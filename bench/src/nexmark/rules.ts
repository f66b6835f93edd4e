/** What the queries select, compute and compare: the same for the engine's programs and for the hand-written loops. */
import type { Bid } from './events.js';
import { stringWord } from './row-hash.js';

/** The fields that several queries keep of a bid. */
export interface BidRow {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly dateTime: number;
  readonly extra: string;
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
