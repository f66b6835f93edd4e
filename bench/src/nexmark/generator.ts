/**
 * A deterministic Nexmark: event n depends on n and the seed only, in 32-bit integer arithmetic, so that every engine in
 * every language processes the same events and its results can be compared by hash.
 *
 * Of 50 events 1 is a person, 3 are auctions, 46 are bids; 10,000 events make a second of event time.
 * Every benchmark pays for this code, so it holds the random state in a local variable and divides by constants only.
 */
import { AUCTION, BID, PERSON, type Auction, type Bid, type NexmarkEvent, type Person } from './events.js';

/** Event time of event 0: a multiple of ten seconds. */
export const BASE_TIME = 1_700_000_000_000;
export const EVENTS_PER_MS = 10;
/** One person, three auctions, then bids. */
export const EVENTS_PER_EPOCH = 50;
const FIRST_BID = 4;
const AUCTIONS_PER_EPOCH = 3;
const FIRST_ID = 1000;
/** People and auctions that are not "hot" are chosen among this many recent ones, and a few that do not exist yet. */
const ACTIVE_PEOPLE = 1000;
const PEOPLE_AHEAD = 10;
const ACTIVE_AUCTIONS = 100;
const AUCTIONS_AHEAD = 10;
/** Every 100th person or auction is hot for as long as the next hundred last. */
const HOT_EVERY = 100;
/** An auction stays open up to twice as long as it takes to make this many events. */
const EXPIRY_EVENTS = 1666;

const FIRST_NAMES = 'Peter,Paul,Luke,John,Saul,Vicky,Kate,Julie,Sarah,Deiter,Walter'.split(',');
const LAST_NAMES = 'Shultz,Abrams,Spencer,White,Bartels,Walton,Smith,Jones,Noris'.split(',');
const CITIES = 'Phoenix,Los Angeles,San Francisco,Boise,Portland,Bend,Redmond,Seattle,Kent,Cheyenne'.split(
  ',',
);
const STATES = 'AZ,CA,ID,OR,WA,WY'.split(',');

const CHANNELS = 10_000;
const HOT_CHANNELS = ['Google', 'Facebook', 'Baidu', 'Apple'];
const POOL_OFFSETS = 4096;
const LONGEST_STRING = 1024;

/** The step of the mulberry32 sequence: the state after k draws is `state + k · STEP`. */
const STEP = 0x6d2b79f5;

/** murmur3's finaliser. */
function fmix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The 31 random bits of a mulberry32 state. */
function bits(state: number): number {
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 1;
}

/** Letters that all random strings are cut from. */
const POOL = makePool();
/** One URL a channel, then those of the hot channels. */
const URLS = Array.from({ length: CHANNELS + HOT_CHANNELS.length }, (_, index) => makeUrl(index));
const CHANNEL_NAMES = [
  ...Array.from({ length: CHANNELS }, (_, index) => `channel-${index}`),
  ...HOT_CHANNELS,
];

function makePool(): string {
  let state = fmix(0xc0ffee);
  let pool = '';
  for (let i = 0; i < POOL_OFFSETS + LONGEST_STRING; i++) {
    state = (state + STEP) | 0;
    pool += String.fromCharCode(97 + (bits(state) % 26));
  }
  // A flat string: cutting from a string that is still a tree of parts would flatten it at the first event.
  return Buffer.from(pool, 'latin1').toString('latin1');
}

function makeUrl(index: number): string {
  let state = fmix(index ^ 0x0badcafe);
  let url = 'https://www.nexmark.com/';
  for (let part = 0; part < 3; part++) {
    const length = 3 + (bits((state + STEP) | 0) % 2);
    state = (state + 2 * STEP) | 0;
    url += `${text(state, length)}/`;
  }
  url += 'item.htm?query=1';
  return index < CHANNELS && bits((state + STEP) | 0) % 10 > 0 ? `${url}&channel_id=${index}` : url;
}

/** `length` letters; the offset is drawn from `state`. */
function text(state: number, length: number): string {
  const offset = bits(state) & (POOL_OFFSETS - 1);
  return POOL.substring(offset, offset + length);
}

const PRICE_LEAST = Int32Array.of(100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000);
const PRICE_SPREAD_INVERSE = Float64Array.from(PRICE_LEAST, (least) => 1 / (9 * least));

/** A price, log-uniform over six decades; takes two draws, the first from `state`. */
function price(state: number): number {
  const decade = bits(state) % 6;
  const x = bits((state + STEP) | 0);
  const least = PRICE_LEAST[decade]!;
  // x % (9 · least), without a division or a branch: half a unit more than rounding can take away makes it exact.
  const quotient = ((x + 0.5) * PRICE_SPREAD_INVERSE[decade]!) | 0;
  return least + x - Math.imul(quotient, 9 * least);
}

/** A recent person, or one who is about to come; one draw from `state`. */
function personId(state: number, lastPerson: number): number {
  const people = lastPerson + 1;
  if (people >= ACTIVE_PEOPLE) {
    return people - ACTIVE_PEOPLE + (bits(state) % (ACTIVE_PEOPLE + PEOPLE_AHEAD));
  }
  return bits(state) % (people + PEOPLE_AHEAD);
}

/** Fills an event up to about `average` characters, `used` of which it has; at most two draws, the first from `state`. */
function extra(state: number, used: number, average: number): string {
  if (used > average) return '';
  const missing = average - used;
  const delta = ((2 * missing + 5) / 10) | 0;
  const least = missing - delta;
  if (delta === 0) return text(state, least);
  return text((state + STEP) | 0, least + (bits(state) % (2 * delta)));
}

const BID_EXTRA_LEAST = 54;
const BID_EXTRA_SPREAD = 28;

/** Makes event `n`, for n from 0 to 2^31 − 1. */
export class Generator {
  readonly #seed: number;

  constructor(seed = 0) {
    this.#seed = seed;
  }

  event(n: number): NexmarkEvent {
    const epoch = (n / EVENTS_PER_EPOCH) | 0;
    const offset = n - epoch * EVENTS_PER_EPOCH;
    const state = fmix(n ^ 0x5bd1e995 ^ this.#seed);
    if (offset >= FIRST_BID) return bid(state, n, epoch);
    return offset === 0 ? person(state, n, epoch) : auction(state, n, epoch, offset - 1);
  }
}

export function timestampOf(n: number): number {
  return BASE_TIME + ((n / EVENTS_PER_MS) | 0);
}

function bid(start: number, n: number, epoch: number): Bid {
  const lastAuction = epoch * AUCTIONS_PER_EPOCH + 2;
  let state = (start + STEP) | 0;
  let auction;
  if ((bits(state) & 1) > 0) auction = FIRST_ID + ((lastAuction / HOT_EVERY) | 0) * HOT_EVERY;
  else {
    state = (state + STEP) | 0;
    // Written out for the many events after the first hundred auctions: a constant divides faster.
    auction =
      lastAuction >= ACTIVE_AUCTIONS
        ? FIRST_ID + lastAuction - ACTIVE_AUCTIONS + (bits(state) % (ACTIVE_AUCTIONS + AUCTIONS_AHEAD + 1))
        : FIRST_ID + (bits(state) % (lastAuction + AUCTIONS_AHEAD + 1));
  }
  state = (state + STEP) | 0;
  let bidder;
  if ((bits(state) & 3) > 0) bidder = FIRST_ID + ((epoch / HOT_EVERY) | 0) * HOT_EVERY + 1;
  else {
    state = (state + STEP) | 0;
    bidder = FIRST_ID + personId(state, epoch);
  }
  const amount = price((state + STEP) | 0);
  state = (state + 3 * STEP) | 0;
  const hot = bits(state) & 1;
  state = (state + STEP) | 0;
  const x = bits(state);
  // Arithmetic instead of a branch that is wrong half of the time.
  const channel = hot * (CHANNELS + (x & 3)) + (1 - hot) * (x % CHANNELS);
  state = (state + STEP) | 0;
  const length = BID_EXTRA_LEAST + (bits(state) % BID_EXTRA_SPREAD);
  state = (state + STEP) | 0;
  return {
    type: BID,
    auction,
    bidder,
    price: amount,
    channel: CHANNEL_NAMES[channel]!,
    url: URLS[channel]!,
    dateTime: BASE_TIME + ((n / EVENTS_PER_MS) | 0),
    extra: text(state, length),
  };
}

function auction(start: number, n: number, epoch: number, index: number): Auction {
  let state = (start + STEP) | 0;
  let seller;
  if ((bits(state) & 3) > 0) seller = FIRST_ID + ((epoch / HOT_EVERY) | 0) * HOT_EVERY;
  else {
    state = (state + STEP) | 0;
    seller = FIRST_ID + personId(state, epoch);
  }
  const category = 10 + (bits((state + STEP) | 0) % 5);
  const initialBid = price((state + 2 * STEP) | 0);
  const dateTime = timestampOf(n);
  const horizonMs = timestampOf(n + EXPIRY_EVENTS) - dateTime;
  const expires = dateTime + 1 + (bits((state + 4 * STEP) | 0) % (2 * horizonMs));
  const itemName = text((state + 6 * STEP) | 0, 3 + (bits((state + 5 * STEP) | 0) % 17));
  const description = text((state + 8 * STEP) | 0, 3 + (bits((state + 7 * STEP) | 0) % 97));
  const reserve = initialBid + price((state + 9 * STEP) | 0);
  return {
    type: AUCTION,
    id: FIRST_ID + epoch * AUCTIONS_PER_EPOCH + index,
    itemName,
    description,
    initialBid,
    reserve,
    dateTime,
    expires,
    seller,
    category,
    extra: extra((state + 11 * STEP) | 0, 48 + itemName.length + description.length, 500),
  };
}

function person(start: number, n: number, epoch: number): Person {
  const state = (k: number) => (start + Math.imul(k, STEP)) | 0;
  const name = `${FIRST_NAMES[bits(state(1)) % 11]!} ${LAST_NAMES[bits(state(2)) % 9]!}`;
  const emailAddress = `${text(state(3), 7)}@${text(state(4), 5)}.com`;
  const creditCard = `${fourDigits(state(5))} ${fourDigits(state(6))} ${fourDigits(state(7))} ${fourDigits(state(8))}`;
  const city = CITIES[bits(state(9)) % 10]!;
  const inState = STATES[bits(state(10)) % 6]!;
  const used = 8 + name.length + emailAddress.length + creditCard.length + city.length + inState.length;
  return {
    type: PERSON,
    id: FIRST_ID + epoch,
    name,
    emailAddress,
    creditCard,
    city,
    state: inState,
    dateTime: timestampOf(n),
    extra: extra(state(11), used, 200),
  };
}

const FOUR_DIGITS = Array.from({ length: 10_000 }, (_, number) => String(number).padStart(4, '0'));

function fourDigits(state: number): string {
  return FOUR_DIGITS[bits(state) % 10_000]!;
}
