/**
 * Requests to a cluster's brokers.
 *
 * Role: one connection per broker and lane, metadata, coordinators, and repeating what fails in passing. Boundary: what is
 * asked, and what an error code means, is the callers' business.
 *
 * Invariants
 * 1. Every request ends: by its answer, the end of its connection, or `requestTimeoutMs`, which ends the connection.
 * 2. What is repeated waits longer each time, and stops after `unavailableTimeoutMs` or when the job ends.
 * 3. A broker that did not answer is not remembered: metadata is then asked of any broker, the bootstrap ones included.
 */
import { setMaxListeners } from 'node:events';
import { sleep, type Clock, type Logger } from '@millrace/core-stream';
import { AuthenticationError, Connection } from '@platformatic/kafka';
import { KafkaConnectionError, KafkaError } from '../errors.js';
import { brokerVersions, type BrokerVersions } from './broker-versions.js';
import {
  findCoordinator,
  metadata,
  type BrokerAddress,
  type ClusterMetadata,
  type CoordinatorKind,
} from './cluster-apis.js';
import { bootstrapAddresses, type KafkaConnectionOptions, type ServerAddress } from './connection-options.js';
import type { KafkaApi } from './kafka-api.js';
import { checkCode } from './kafka-codes.js';

const SHORTEST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 2_000;

/** What a client needs of the job. */
export interface KafkaClientContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends waiting and repeating. */
  readonly signal: AbortSignal;
}

/** Requests on one lane are answered in their order: a fetch that waits for records has a lane of its own. */
export type Lane = 'control' | 'fetch';

export class KafkaClient {
  readonly unavailableTimeoutMs: number;
  readonly context: KafkaClientContext;
  readonly #options: KafkaConnectionOptions;
  readonly #bootstrap: readonly ServerAddress[];
  readonly #connections = new Map<string, Promise<Connection>>();
  readonly #opened = new Set<Connection>();
  readonly #coordinators = new Map<string, BrokerAddress>();
  /** By address, until a connection to it ends. */
  readonly #versions = new Map<string, BrokerVersions>();
  #brokers: readonly ServerAddress[] = [];
  #isClosed = false;

  constructor(options: KafkaConnectionOptions, context: KafkaClientContext) {
    this.#options = options;
    this.context = context;
    setMaxListeners(0, context.signal); // as many as there are calls that wait
    this.#bootstrap = bootstrapAddresses(options.bootstrapServers);
    this.unavailableTimeoutMs = options.unavailableTimeoutMs ?? 120_000;
  }

  /** One attempt. @throws KafkaConnectionError */
  async request<Request, Response>(
    broker: ServerAddress,
    api: KafkaApi<Request, Response>,
    request: Request,
    lane: Lane = 'control',
  ): Promise<Response> {
    const connection = await this.#connect(broker, lane);
    const timeoutMs = this.#options.requestTimeoutMs ?? 30_000;
    const at = `${broker.host}:${broker.port}`;
    return new Promise((resolve, reject) => {
      const cancel = this.context.clock.schedule(timeoutMs, () => {
        connection.socket.destroy(); // invariant 1
        reject(
          new KafkaConnectionError(`${api.name} was not answered by ${at} within ${timeoutMs} ms.`, {
            details: { broker: at, request: api.name, timeoutMs },
          }),
        );
      });
      api.send(connection, request).then(
        (response) => {
          cancel();
          resolve(response);
        },
        (error: unknown) => {
          cancel();
          reject(connectionError(`${api.name} to ${at} failed`, at, error));
        },
      );
    });
  }

  /** One attempt. Whether the broker knows the request in this version. */
  async understands(
    broker: ServerAddress,
    { key, version }: KafkaApi<never, unknown>,
    lane: Lane = 'control',
  ): Promise<boolean> {
    const at = `${broker.host}:${broker.port}`;
    const known = this.#versions.get(at) ?? (await this.request(broker, brokerVersions, undefined, lane));
    this.#versions.set(at, known);
    return (known.get(key) ?? -1) >= version;
  }

  /** One attempt. `topics` null asks for all. */
  async metadata(topics: readonly string[] | null, mayCreate = false): Promise<ClusterMetadata> {
    const found = await this.#ofAnyBroker((broker) => this.request(broker, metadata, { topics, mayCreate }));
    this.#brokers = found.brokers;
    return found;
  }

  /** One attempt, for what every broker can answer. */
  toAnyBroker<Request, Response>(api: KafkaApi<Request, Response>, request: Request): Promise<Response> {
    return this.#ofAnyBroker((broker) => this.request(broker, api, request));
  }

  /** One attempt, sent to who coordinates the group or transaction. */
  async toCoordinator<Request, Response>(
    kind: CoordinatorKind,
    key: string,
    api: KafkaApi<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const id = `${kind} ${key}`;
    const broker = this.#coordinators.get(id) ?? (await this.#findCoordinator(kind, key));
    this.#coordinators.set(id, broker);
    try {
      return await this.request(broker, api, request);
    } catch (error) {
      this.#coordinators.delete(id);
      throw error;
    }
  }

  /** To be called when a coordinator has answered with an error, and when a transaction is over. */
  forgetCoordinator(kind: CoordinatorKind, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`);
  }

  /**
   * Repeats `attempt` until it succeeds, or fails with something that does not pass.
   * @throws KafkaConnectionError after `unavailableTimeoutMs`; the last failure is its cause
   */
  async retrying<R>(what: string, attempt: () => Promise<R>): Promise<R> {
    const { clock, logger, signal } = this.context;
    const startMs = clock.now();
    for (let attempts = 1; ; attempts++) {
      try {
        return await attempt();
      } catch (error) {
        signal.throwIfAborted();
        if (!KafkaError.is(error) || !error.retryable || error.code === 'KAFKA_FENCED' || this.#isClosed)
          throw error;
        const elapsedMs = clock.now() - startMs;
        if (elapsedMs >= this.unavailableTimeoutMs) throw unavailable(what, elapsedMs, error); // invariant 2
        const delayMs = backOffMs(attempts);
        logger.debug(`${what} failed and is repeated`, { error: error.message, attempts, delayMs });
        await sleep(clock, delayMs, signal);
      }
    }
  }

  /** Ends every connection; requests under way fail. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#opened) connection.socket.destroy();
    this.#connections.clear();
  }

  #findCoordinator(kind: CoordinatorKind, key: string): Promise<BrokerAddress> {
    return this.#ofAnyBroker(async (broker) => {
      const found = await this.request(broker, findCoordinator, { key, kind });
      checkCode(`Finding the coordinator of the ${kind} '${key}'`, found.errorCode);
      return found.broker;
    });
  }

  /** The first answer; the last failure where there is none. */
  async #ofAnyBroker<R>(ask: (broker: ServerAddress) => Promise<R>): Promise<R> {
    let failure: unknown;
    for (const broker of [...this.#brokers, ...this.#bootstrap]) {
      try {
        return await ask(broker);
      } catch (error) {
        if (!KafkaError.is(error) || !error.retryable) throw error;
        failure = error;
      }
    }
    throw failure; // invariant 3: there is a bootstrap broker at least
  }

  #connect(broker: ServerAddress, lane: Lane): Promise<Connection> {
    const key = `${lane} ${broker.host}:${broker.port}`;
    const existing = this.#connections.get(key);
    if (existing !== undefined) return existing;
    if (this.#isClosed) return Promise.reject(new KafkaConnectionError('The connection is closed.'));
    const opening = this.#open(broker, () => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
      this.#versions.delete(`${broker.host}:${broker.port}`); // it may be upgraded meanwhile
    });
    this.#connections.set(key, opening);
    return opening;
  }

  async #open({ host, port }: ServerAddress, onEnd: () => void): Promise<Connection> {
    const { clientId = 'millrace', tls, tlsServerName, sasl, connectTimeoutMs = 5_000 } = this.#options;
    const connection = new Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      ...(tls && { tls }),
      ...(tlsServerName !== undefined && { tlsServerName }),
      ...(sasl && { sasl }),
    });
    const end = () => {
      this.#opened.delete(connection);
      onEnd();
    };
    // It says so again when a request fails; without a listener it would end the process.
    connection.on('error', end);
    connection.once('close', end);
    try {
      const connected = connection.connect(host, port);
      this.#opened.add(connection);
      // Closed while it is connecting, the library's connection would say nothing.
      const closed = new Promise<never>((_, reject) =>
        connection.socket.once('close', () => reject(new KafkaConnectionError('The connection was closed.'))),
      );
      await Promise.race([connected, closed]);
      closed.catch(() => undefined); // from here on, requests say so
      return connection;
    } catch (error) {
      end();
      throw connectionError(`Connecting to ${host}:${port} failed`, `${host}:${port}`, error);
    }
  }
}

/** Longer each time, up to two seconds. */
export function backOffMs(attempts: number): number {
  return Math.min(LONGEST_DELAY_MS, SHORTEST_DELAY_MS * 2 ** Math.min(attempts - 1, 10));
}

export function unavailable(what: string, elapsedMs: number, cause: KafkaError): KafkaConnectionError {
  return new KafkaConnectionError(
    `${what} has not succeeded for ${Math.round(elapsedMs)} ms, last because: ${cause.message} ` +
      "See whether the brokers run and every partition has a leader, or give 'unavailableTimeoutMs' more.",
    { cause, details: { elapsedMs: Math.round(elapsedMs) } },
  );
}

function connectionError(what: string, broker: string, error: unknown): KafkaError {
  if (KafkaError.is(error)) return error;
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    if (innermost instanceof AuthenticationError) break;
    innermost = innermost.cause;
  }
  const nextStep = nextStepFor(innermost);
  const said = innermost instanceof Error ? innermost.message : String(innermost);
  return new KafkaConnectionError(`${what}: ${said}${nextStep === undefined ? '' : ` ${nextStep}`}`, {
    cause: error,
    retryable: nextStep === undefined,
    details: { broker },
  });
}

/** What has to be done where trying again is no use. */
function nextStepFor(error: unknown): string | undefined {
  if (error instanceof AuthenticationError) return "See the mechanism and credentials in 'sasl'.";
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string' && /CERT|ERR_TLS|ERR_SSL|UNABLE_TO_VERIFY/.test(code)) {
    return "See 'tls': its 'ca' must vouch for the brokers, whose names must be in their certificates ('tlsServerName').";
  }
  return undefined;
}
