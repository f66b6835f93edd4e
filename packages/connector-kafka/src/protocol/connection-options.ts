import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { SASLOptions } from '@platformatic/kafka';
import { KafkaConfigError } from '../errors.js';

/** How to reach a cluster. The same for sources and sinks. */
export interface KafkaConnectionOptions {
  /** `host:port`, several of them as a list or with commas between. */
  readonly bootstrapServers: string | readonly string[];
  /** Names this program in the brokers' logs and quotas. Default `millrace`. */
  readonly clientId?: string;
  /** Passed on to `tls.connect`. */
  readonly tls?: TlsOptions;
  /** The host name that the server's certificate is checked by, or `true` for the one that is connected to. */
  readonly tlsServerName?: string | boolean;
  /** Passed on to `@platformatic/kafka`: mechanism, credentials or functions that give them. */
  readonly sasl?: SASLOptions;
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** How long an answer may take before the connection is given up. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /**
   * How long Kafka may be out of reach, or a partition without leader, before the job fails; it is tried again all the time
   * meanwhile. Default 120,000.
   */
  readonly unavailableTimeoutMs?: number;
}

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** @throws KafkaConfigError */
export function bootstrapAddresses(bootstrapServers: string | readonly string[]): ServerAddress[] {
  const texts = (typeof bootstrapServers === 'string' ? bootstrapServers.split(',') : bootstrapServers)
    .map((text) => text.trim())
    .filter((text) => text !== '');
  if (texts.length === 0) {
    throw new KafkaConfigError("'bootstrapServers' is empty; name at least one broker as 'host:port'.");
  }
  return texts.map((text) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined || Number(port) > 65_535) {
      throw new KafkaConfigError(`'bootstrapServers' has '${text}'; it must be 'host:port'.`);
    }
    return { host, port: Number(port) };
  });
}

/** @throws KafkaConfigError */
export function positiveInteger(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new KafkaConfigError(`'${option}' is ${value}; it must be a positive whole number.`, {
    details: { option },
  });
}
