/**
 * What every query gives, without an engine: the whole input in memory, the most literal code.
 *
 * An oracle for the generator and the queries, so it shares no code with them: it has a generator and a hash of its own.
 */
import type { Auction, Bid, NexmarkEvent, Person } from './events.js';
import type { ComparableQuery } from './queries.js';
import type { RowHashResult } from './row-hash.js';

export type ReferenceResults = Readonly<Record<ComparableQuery | 'all', RowHashResult>>;

const BASE = 1_700_000_000_000;
const FIRST = 'Peter Paul Luke John Saul Vicky Kate Julie Sarah Deiter Walter'.split(' ');
const LAST = 'Shultz Abrams Spencer White Bartels Walton Smith Jones Noris'.split(' ');
const CITY = [
  'Phoenix',
  'Los Angeles',
  'San Francisco',
  'Boise',
  'Portland',
  'Bend',
  'Redmond',
  'Seattle',
  'Kent',
  'Cheyenne',
];
const STATE = ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'];
const HOT = ['Google', 'Facebook', 'Baidu', 'Apple'];

let a = 0;

function fmix(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** mulberry32 */
function next(bound: number): number {
  a = (a + 0x6d2b79f5) | 0;
  let t = Math.imul(a ^ (a >>> 15), a | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 1) % bound;
}

let pool = '';
a = fmix(0xc0ffee);
for (let i = 0; i < 4096 + 1024; i++) pool += String.fromCharCode(97 + next(26));

function str(length: number): string {
  const offset = next(4096);
  return pool.substring(offset, offset + length);
}

const urls: string[] = [];
for (let i = 0; i < 10_004; i++) {
  a = fmix(i ^ 0x0badcafe);
  let url = 'https://www.nexmark.com/';
  for (let part = 0; part < 3; part++) url += str(3 + next(2)) + '/';
  url += 'item.htm?query=1';
  if (i < 10_000 && next(10) > 0) url += `&channel_id=${i}`;
  urls.push(url);
}

function extra(current: number, average: number): string {
  if (current > average) return '';
  const d = average - current;
  const delta = Math.floor((2 * d + 5) / 10);
  return str(d - delta + (delta > 0 ? next(2 * delta) : 0));
}

function price(): number {
  const p = 10 ** next(6);
  return p * 100 + next(p * 900);
}

function personId(last: number): number {
  const n = last + 1;
  const active = Math.min(n, 1000);
  return n - active + next(active + 10);
}

export function referenceEvent(n: number, seed: number): NexmarkEvent {
  const epoch = Math.floor(n / 50);
  const offset = n % 50;
  const dateTime = BASE + Math.floor(n / 10);
  a = fmix(n ^ 0x5bd1e995 ^ seed);
  if (offset === 0) {
    const name = `${FIRST[next(11)]} ${LAST[next(9)]}`;
    const emailAddress = `${str(7)}@${str(5)}.com`;
    const creditCard = [0, 0, 0, 0].map(() => String(next(10_000)).padStart(4, '0')).join(' ');
    const city = CITY[next(10)]!;
    const state = STATE[next(6)]!;
    const length = name.length + emailAddress.length + creditCard.length + city.length + state.length;
    const id = 1000 + epoch;
    return {
      type: 0,
      id,
      name,
      emailAddress,
      creditCard,
      city,
      state,
      dateTime,
      extra: extra(8 + length, 200),
    };
  }
  if (offset < 4) {
    const seller = 1000 + (next(4) > 0 ? Math.floor(epoch / 100) * 100 : personId(epoch));
    const category = 10 + next(5);
    const initialBid = price();
    const horizon = Math.floor((n + 1666) / 10) - Math.floor(n / 10);
    const expires = dateTime + 1 + next(2 * horizon);
    const itemName = str(3 + next(17));
    const description = str(3 + next(97));
    const reserve = initialBid + price();
    return {
      type: 1,
      id: 1000 + epoch * 3 + offset - 1,
      itemName,
      description,
      initialBid,
      reserve,
      dateTime,
      expires,
      seller,
      category,
      extra: extra(8 + itemName.length + description.length + 40, 500),
    };
  }
  const lastAuction = epoch * 3 + 2;
  const least = Math.max(lastAuction - 100, 0);
  const auction =
    1000 + (next(2) > 0 ? Math.floor(lastAuction / 100) * 100 : least + next(lastAuction - least + 11));
  const bidder = 1000 + (next(4) > 0 ? Math.floor(epoch / 100) * 100 + 1 : personId(epoch));
  const amount = price();
  const isHot = next(2) > 0;
  const i = isHot ? next(4) : next(10_000);
  return {
    type: 2,
    auction,
    bidder,
    price: amount,
    channel: isHot ? HOT[i]! : `channel-${i}`,
    url: urls[isHot ? 10_000 + i : i]!,
    dateTime,
    extra: extra(32, 100),
  };
}

function stringWord(s: string): number {
  const n = s.length;
  if (n === 0) return 0;
  const head = Math.imul(Math.imul(n, 31) + s.charCodeAt(0), 31);
  return (Math.imul(head + s.charCodeAt(n >> 1), 31) + s.charCodeAt(n - 1)) | 0;
}

class Hash {
  #x1 = 0;
  #x2 = 0;
  #rows = 0;

  add(...row: (string | number)[]): void {
    let h1 = 0x12345678;
    let h2 = 0x9abcdef0 | 0;
    const words = row.flatMap((v) =>
      typeof v === 'string' ? [stringWord(v)] : [v | 0, Math.floor(v / 4294967296) | 0],
    );
    for (const word of words) {
      const p = Math.imul(h1 ^ word, 0x9e3779b1);
      h1 = p ^ (p >>> 15);
      const q = Math.imul(h2 ^ word, 0x85ebca77);
      h2 = q ^ (q >>> 13);
    }
    this.#x1 ^= h1;
    this.#x2 ^= h2;
    this.#rows++;
  }

  result(): RowHashResult {
    const hex = (x: number) => (x >>> 0).toString(16).padStart(8, '0');
    return { outputs: this.#rows, hash: hex(this.#x1) + hex(this.#x2) };
  }
}

function groupBy<K, T>(values: readonly T[], key: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group === undefined) groups.set(key(value), [value]);
    else group.push(value);
  }
  return groups;
}

/** The results of all queries over the first `count` events. Keeps all of them in memory: about 300 bytes an event. */
export function referenceResults(count: number, seed: number): ReferenceResults {
  const people: Person[] = [];
  const auctions: Auction[] = [];
  const bids: Bid[] = [];
  const all = new Hash();
  for (let n = 0; n < count; n++) {
    const e = referenceEvent(n, seed);
    if (e.type === 0) {
      people.push(e);
      all.add(e.id, e.name, e.emailAddress, e.creditCard, e.city, e.state, e.dateTime, e.extra);
    } else if (e.type === 1) {
      auctions.push(e);
      const { id, itemName, description, initialBid, reserve, dateTime, expires, seller, category } = e;
      all.add(id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, e.extra);
    } else {
      bids.push(e);
      all.add(e.auction, e.bidder, e.price, e.channel, e.url, e.dateTime, e.extra);
    }
  }
  const winners = winningBids(auctions, bids);
  const results: Record<ComparableQuery | 'all', Hash> = {
    all,
    q0: hashed(bids, (b) => [b.auction, b.bidder, b.price, b.dateTime, b.extra]),
    q1: hashed(bids, (b) => [b.auction, b.bidder, Math.floor((b.price * 908) / 1000), b.dateTime, b.extra]),
    q2: hashed(
      bids.filter((b) => b.auction % 123 === 0),
      (b) => [b.auction, b.price],
    ),
    q3: localItemSuggestion(people, auctions),
    q4: averagePrices(winners),
    q5: hotItems(bids),
    q7: highestBids(bids),
    q8: newSellers(people, auctions),
    q9: hashed(winners, ({ auction, bid }) => [
      auction.id,
      auction.category,
      bid.bidder,
      bid.price,
      bid.dateTime,
    ]),
    q11: bidderSessions(bids),
    q18: lastBids(bids),
    q19: topTen(bids),
  };
  return Object.fromEntries(
    Object.entries(results).map(([query, hash]) => [query, hash.result()]),
  ) as unknown as ReferenceResults;
}

function hashed<T>(values: readonly T[], row: (value: T) => (string | number)[]): Hash {
  const hash = new Hash();
  for (const value of values) hash.add(...row(value));
  return hash;
}

function localItemSuggestion(people: readonly Person[], auctions: readonly Auction[]): Hash {
  const hash = new Hash();
  const byId = new Map(people.map((person) => [person.id, person]));
  for (const auction of auctions) {
    const seller = byId.get(auction.seller);
    if (auction.category === 10 && seller !== undefined && ['OR', 'ID', 'CA'].includes(seller.state))
      hash.add(seller.name, seller.city, seller.state, auction.id);
  }
  return hash;
}

function winningBids(auctions: readonly Auction[], bids: readonly Bid[]) {
  const byAuction = groupBy(bids, (bid) => bid.auction);
  return auctions.flatMap((auction) => {
    const best = (byAuction.get(auction.id) ?? [])
      .filter((bid) => bid.dateTime >= auction.dateTime && bid.dateTime <= auction.expires)
      .sort((x, y) => y.price - x.price || x.dateTime - y.dateTime || x.bidder - y.bidder)[0];
    return best === undefined ? [] : [{ auction, bid: best }];
  });
}

function averagePrices(winners: ReturnType<typeof winningBids>): Hash {
  const hash = new Hash();
  for (const [category, group] of groupBy(winners, ({ auction }) => auction.category)) {
    const sum = group.reduce((total, { bid }) => total + bid.price, 0);
    hash.add(category, Math.floor(sum / group.length));
  }
  return hash;
}

function hotItems(bids: readonly Bid[]): Hash {
  const hash = new Hash();
  const panes = groupBy(bids, (bid) => Math.floor(bid.dateTime / 2000));
  const numbers = [...panes.keys()];
  for (let last = Math.min(...numbers); last <= Math.max(...numbers) + 4; last++) {
    const counts = new Map<number, number>();
    for (let pane = last - 4; pane <= last; pane++)
      for (const { auction } of panes.get(pane) ?? []) counts.set(auction, (counts.get(auction) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [auction, count] of counts) if (count === most) hash.add((last + 1) * 2000, auction, count);
  }
  return hash;
}

function highestBids(bids: readonly Bid[]): Hash {
  const hash = new Hash();
  for (const window of groupBy(bids, (bid) => Math.floor(bid.dateTime / 10_000)).values()) {
    const best = [...window].sort(
      (x, y) => y.price - x.price || x.dateTime - y.dateTime || x.auction - y.auction || x.bidder - y.bidder,
    )[0]!;
    hash.add(best.auction, best.bidder, best.price, best.dateTime, best.extra);
  }
  return hash;
}

function newSellers(people: readonly Person[], auctions: readonly Auction[]): Hash {
  const hash = new Hash();
  const windowed = (time: number, id: number) => `${Math.floor(time / 10_000)}:${id}`;
  const sellers = new Set(auctions.map((auction) => windowed(auction.dateTime, auction.seller)));
  for (const { id, name, dateTime } of people) if (sellers.has(windowed(dateTime, id))) hash.add(id, name);
  return hash;
}

function bidderSessions(bids: readonly Bid[]): Hash {
  const hash = new Hash();
  for (const [bidder, group] of groupBy(bids, (bid) => bid.bidder)) {
    let start = group[0]!.dateTime;
    let last = start;
    let count = 0;
    for (const { dateTime } of group) {
      if (dateTime > last + 10_000) {
        hash.add(bidder, count, start, last + 10_000);
        start = dateTime;
        count = 0;
      }
      last = dateTime;
      count++;
    }
    hash.add(bidder, count, start, last + 10_000);
  }
  return hash;
}

function lastBids(bids: readonly Bid[]): Hash {
  const hash = new Hash();
  for (const group of groupBy(bids, (bid) => `${bid.auction}:${bid.bidder}`).values()) {
    const last = group.sort(
      (x, y) => y.dateTime - x.dateTime || y.price - x.price || stringWord(y.extra) - stringWord(x.extra),
    )[0]!;
    addWhole(hash, last);
  }
  return hash;
}

function topTen(bids: readonly Bid[]): Hash {
  const hash = new Hash();
  for (const group of groupBy(bids, (bid) => bid.auction).values()) {
    group.sort(
      (x, y) =>
        y.price - x.price ||
        x.dateTime - y.dateTime ||
        x.bidder - y.bidder ||
        stringWord(x.extra) - stringWord(y.extra),
    );
    for (const bid of group.slice(0, 10)) addWhole(hash, bid);
  }
  return hash;
}

function addWhole(hash: Hash, b: Bid): void {
  hash.add(b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime, b.extra);
}
