/**
 * Decides where each attempt to read a split goes: to a data server that holds the segment, or through the Broker.
 *
 * Invariant 1: attempts go round until one brings rows: to two replicas, then through the Broker. With `path: 'direct'` the Broker takes part only
 *   where no Historical (any more) holds the segment: for example one that a compaction has replaced meanwhile, which the
 *   Broker still reads while a server has it.
 * Invariant 2: a server that does not have the segment is not asked for it again before the Broker was.
 */
import type { DruidClient } from '@millrace/druid-client';
import type { DataServers } from './data-servers.js';
import type { DruidSplit } from './druid-split.js';

/**
 * How segments are read: `direct` from the data servers, `broker` through the Broker, `auto` from the data servers where
 * they can be reached and else through the Broker.
 */
export type ReadPath = 'auto' | 'direct' | 'broker';

/** The server of one attempt; without `url` it is the Broker. */
export interface Hop {
  readonly druid: DruidClient;
  readonly url?: string;
}

/** How an attempt ended: with rows, though perhaps not all; without rows and without an error; with an error alone. */
export type HopOutcome = 'delivered' | 'missing' | 'failed';

// More replicas are seldom alive when two are not, and each try takes time.
const maxReplicas = 2;

export interface SegmentRouteOptions {
  readonly split: DruidSplit;
  readonly path: ReadPath;
  readonly broker: DruidClient;
  /** Undefined if only the Broker may be read. */
  readonly dataServers: DataServers | undefined;
}

export class SegmentRoute {
  readonly #options: SegmentRouteOptions;
  readonly #missing = new Set<string>();
  #round: Hop[] = [];

  constructor(options: SegmentRouteOptions) {
    this.#options = options;
  }

  /** The server of the next attempt. @throws DruidSourceReadError */
  async next(signal: AbortSignal): Promise<Hop> {
    if (this.#round.length === 0) this.#round = await this.#plan(signal);
    return this.#round.shift() as Hop;
  }

  /** Tells how the attempt at `hop` ended. */
  report({ url }: Hop, outcome: HopOutcome, cause?: unknown): void {
    const { dataServers } = this.#options;
    if (outcome === 'delivered') this.#round = []; // invariant 1: the server may have broken off because of a slow reader
    if (url === undefined) this.#missing.clear();
    else if (outcome === 'delivered') dataServers?.worked(url);
    else if (outcome === 'missing')
      this.#missing.add(url); // invariant 2
    else dataServers?.avoid(url, cause);
  }

  async #plan(signal: AbortSignal): Promise<Hop[]> {
    const { split, path, broker, dataServers } = this.#options;
    if (dataServers === undefined) return [{ druid: broker }];
    const holders = (await dataServers.holders(split, signal)).filter((url) => !this.#missing.has(url));
    const replicas = holders.slice(0, maxReplicas).map((url) => ({ url, druid: dataServers.client(url) }));
    return path === 'direct' && replicas.length > 0 ? replicas : [...replicas, { druid: broker }]; // invariant 1
  }
}
