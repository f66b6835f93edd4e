import type { KafkaConnectionOptions } from '../protocol/connection-options.js';
import type { StartingOffsets, StoppingOffsets } from './offsets.js';

/** Checked options, as the enumerator and the readers take them. */
export interface SourceSettings {
  readonly connection: KafkaConnectionOptions;
  readonly topics: readonly string[] | RegExp;
  readonly startingOffsets: StartingOffsets;
  readonly stoppingOffsets: StoppingOffsets | undefined;
  readonly isReadCommitted: boolean;
  readonly partitionDiscoveryIntervalMs: number | undefined;
  readonly groupId: string | undefined;
  readonly onOffsetOutOfRange: 'fail' | 'earliest' | 'latest';
  readonly fetch: {
    readonly maxWaitMs: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly maxPartitionBytes: number;
    readonly maxBufferedBytes: number;
  };
}
