import type { DataStream } from '@millrace/core-stream';
import { AUCTION, BID, PERSON, type Auction, type Bid, type NexmarkEvent, type Person } from './events.js';
import type { Total } from './hash-sink.js';

/** Builds a query over the events; its rows end in `total`. */
export type QueryProgram = (events: DataStream<NexmarkEvent>, total: Total) => void;

export function people(events: DataStream<NexmarkEvent>): DataStream<Person> {
  return events.filter((event): event is Person => event.type === PERSON);
}

export function auctions(events: DataStream<NexmarkEvent>): DataStream<Auction> {
  return events.filter((event): event is Auction => event.type === AUCTION);
}

export function bids(events: DataStream<NexmarkEvent>): DataStream<Bid> {
  return events.filter((event): event is Bid => event.type === BID);
}
