/**
 * The data servers as one reader sees them: which Historicals hold a segment, and which of them cannot be used.
 *
 * Boundary: asks the Broker where segments are, and keeps one client per server, made at its first use. Which server an
 * attempt goes to is decided in `segment-route.ts`.
 *
 * Invariant 1: only Historicals are handed out (invariant 1 of `completeness.ts`).
 * Invariant 2: where the Broker is asked over TLS, data servers are, too: credentials never travel in the clear because
 *   of the way a segment is read.
 * Invariant 3: that the Broker cannot tell where a segment is fails a read only where data servers are required; else the
 *   segment has no known holders then.
 */
import type { Clock, Logger } from '@millrace/core-stream';
import { DruidError, type DruidClient, type ServerChange } from '@millrace/druid-client';
import type { DruidSplit } from './druid-split.js';
import { DruidSourceReadError } from './errors.js';

/** Makes a client of the data server at this address; the source closes it. */
export type OpenDataServer = (url: string) => DruidClient;

// A server that was away is tried again about as often as Druid's own clients look for a lost one.
const avoidForMs = 60_000;
const change: ServerChange = {
  // Inside one data centre a connection takes milliseconds, and there is a Broker to turn to.
  connectTimeoutMs: 3000,
  // Another replica, or the Broker, is better than the same server again.
  retry: { maxAttempts: 1 },
  circuit: false,
};

export interface DataServersOptions {
  /** The Broker, or the Router. */
  readonly broker: DruidClient;
  /** Default: the Broker's client at that address. */
  readonly open: OpenDataServer | undefined;
  readonly dataSource: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether there is no way but theirs. */
  readonly isRequired: boolean;
  /** So that readers do not all begin with the same replica. */
  readonly subtaskIndex: number;
}

export class DataServers {
  readonly #options: DataServersOptions;
  readonly #clients = new Map<string, DruidClient>();
  readonly #avoidedUntilMs = new Map<string, number>();
  #turn: number;
  #isUnableToTell = false;
  #hasToldDirect = false;

  constructor(options: DataServersOptions) {
    this.#options = options;
    this.#turn = options.subtaskIndex;
  }

  /**
   * Addresses of the Historicals that hold the split's segment, in the order to try them. Those to avoid are left out,
   * unless they are required and there are no others.
   *
   * @throws DruidSourceReadError (invariant 3)
   */
  async holders(split: DruidSplit, signal: AbortSignal): Promise<string[]> {
    const { broker, clock, isRequired } = this.#options;
    const useTls = broker.url.startsWith('https:');
    const all: string[] = [];
    for (const { type, host, hostAndTlsPort } of await this.#locations(split, signal)) {
      const address = useTls ? hostAndTlsPort : host; // invariant 2
      if (type !== 'historical' || !address) continue; // invariant 1
      all.push(`${useTls ? 'https' : 'http'}://${address}`);
    }
    const usable = all.filter((url) => (this.#avoidedUntilMs.get(url) ?? -Infinity) <= clock.now());
    const urls = (usable.length === 0 && isRequired ? all : usable).sort();
    const first = this.#turn++ % Math.max(1, urls.length);
    return [...urls.slice(first), ...urls.slice(0, first)];
  }

  client(url: string): DruidClient {
    let client = this.#clients.get(url);
    if (client === undefined) {
      const { broker, open } = this.#options;
      client = open === undefined ? broker.withUrl(url, change) : open(url);
      this.#clients.set(url, client);
    }
    return client;
  }

  /** Rows came from a data server. */
  worked(url: string): void {
    if (this.#hasToldDirect) return;
    this.#hasToldDirect = true;
    const { dataSource, logger } = this.#options;
    logger.info('Druid segments are read from the data servers directly', { dataSource, server: url });
  }

  /** Leaves the server out for a while. */
  avoid(url: string, cause: unknown): void {
    const { clock, dataSource, logger } = this.#options;
    this.#avoidedUntilMs.set(url, clock.now() + avoidForMs);
    logger.warn('Druid data server cannot be used, reading its segments elsewhere for a while', {
      dataSource,
      server: url,
      avoidForMs,
      cause: messageOf(cause),
    });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  async #locations({ segment }: DruidSplit, signal: AbortSignal) {
    const { broker, dataSource, isRequired, logger } = this.#options;
    if (this.#isUnableToTell) return [];
    try {
      const intervals = [segment.interval];
      const found = await broker.datasources.segmentServers(dataSource, { intervals, signal });
      return found
        .filter(
          ({ version, partitionNumber }) =>
            version === segment.version && partitionNumber === segment.partition,
        )
        .flatMap(({ locations }) => locations);
    } catch (error) {
      signal.throwIfAborted();
      if (isRequired) throw unknownHolders(dataSource, error);
      // What it refuses it will refuse again; a connection may come back (invariant 3).
      this.#isUnableToTell = DruidError.is(error) && error.code === 'DRUID_REMOTE' && !error.retryable;
      logger.warn('Druid does not tell which data servers hold a segment, reading it through the Broker', {
        dataSource,
        isForGood: this.#isUnableToTell,
        cause: messageOf(error),
      });
      return [];
    }
  }
}

function unknownHolders(dataSource: string, cause: unknown): DruidSourceReadError {
  return new DruidSourceReadError(
    `Druid does not tell which data servers hold the segments of '${dataSource}': ${messageOf(cause)} ` +
      `With path: 'auto' they are read through the Broker then.`,
    { details: { dataSource }, cause, retryable: DruidError.is(cause) && cause.retryable },
  );
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
