import type { KafkaCompression } from '../protocol/compression.js';
import type { KafkaConnectionOptions } from '../protocol/connection-options.js';
import type { TransactionalIds } from './transactional-ids.js';

/** Checked options, as writers and committers take them. */
export interface SinkSettings {
  readonly connection: KafkaConnectionOptions;
  /** Undefined: at least once. */
  readonly transactionalIdPrefix: string | undefined;
  readonly transactionalIds: TransactionalIds;
  /** Of a writer of one transaction, instead of ids with the prefix. */
  readonly transactionalId?: string;
  readonly transactionTimeoutMs: number;
  readonly sending: {
    readonly compression: KafkaCompression;
    readonly maxBatchBytes: number;
    readonly maxRequestBytes: number;
    readonly maxBufferedBytes: number;
    readonly requestTimeoutMs: number;
  };
}
