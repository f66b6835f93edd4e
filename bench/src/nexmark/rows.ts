/** How the rows of the queries are hashed, field by field: for the engine's sinks and for the hand-written loops. */
import type { Bid } from './events.js';
import type { BidRow } from './rules.js';
import type { RowHash } from './row-hash.js';

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

/** q4. */
export function retractIntegers(hash: RowHash, ...row: readonly number[]): void {
  hash.begin();
  for (const value of row) hash.integer(value);
  hash.retract();
}

/** q3. */
export function addLocalItem(
  hash: RowHash,
  name: string,
  city: string,
  state: string,
  auction: number,
): void {
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
