import { z } from 'zod';
import { path } from '../request.js';
import type { Transport } from '../transport.js';
import {
  auditInfo,
  change,
  changeIfThere,
  historyQuery,
  optionalNumber,
  read,
  readIfThere,
  type AuditOptions,
  type CallOptions,
  type HistoryOptions,
} from './calls.js';

/** How a datasource is compacted automatically. What is left out gets Druid's defaults. */
export interface CompactionConfig {
  readonly dataSource: string;
  readonly taskPriority?: number;
  /** ISO 8601; data newer than this is left alone. Druid's default: `P1D`. */
  readonly skipOffsetFromLatest?: string;
  readonly granularitySpec?: Readonly<Record<string, unknown>>;
  readonly dimensionsSpec?: Readonly<Record<string, unknown>>;
  readonly metricsSpec?: readonly Readonly<Record<string, unknown>>[];
  readonly transformSpec?: Readonly<Record<string, unknown>>;
  readonly tuningConfig?: Readonly<Record<string, unknown>>;
  readonly ioConfig?: Readonly<Record<string, unknown>>;
  readonly taskContext?: Readonly<Record<string, unknown>>;
  /** Since Druid 32, where compaction runs by supervisors. */
  readonly engine?: 'native' | 'msq';
  readonly [key: string]: unknown;
}

/** How compaction runs in the whole cluster, since Druid 33. */
export interface ClusterCompactionConfig {
  /** The part of all task slots that compaction may take, 0 to 1. */
  readonly compactionTaskSlotRatio?: number;
  readonly maxCompactionTaskSlots?: number;
  /** Whether the Overlord compacts, by supervisors, instead of the Coordinator. */
  readonly useSupervisors?: boolean;
  /** `native`, or `msq`, which needs `useSupervisors`. */
  readonly engine?: string;
  readonly compactionPolicy?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

const config = z.looseObject({ dataSource: z.string() });
const clusterConfig = z.looseObject({
  compactionTaskSlotRatio: z.number(),
  maxCompactionTaskSlots: z.number(),
  useSupervisors: z.boolean(),
  engine: z.string(),
});
const configs = z.looseObject({
  compactionConfigs: z.array(config),
  compactionTaskSlotRatio: optionalNumber,
  maxCompactionTaskSlots: optionalNumber,
});
const historyEntry = z.looseObject({
  globalConfig: z.looseObject({}).nullish(),
  compactionConfig: config,
  auditInfo,
  auditTime: z.string(),
});
const status = z.looseObject({
  dataSource: z.string(),
  scheduleStatus: z.string(),
  bytesAwaitingCompaction: z.number(),
  bytesCompacted: z.number(),
  bytesSkipped: z.number(),
  segmentCountAwaitingCompaction: z.number(),
  segmentCountCompacted: z.number(),
  segmentCountSkipped: z.number(),
  intervalCountAwaitingCompaction: z.number(),
  intervalCountCompacted: z.number(),
  intervalCountSkipped: z.number(),
});

/** A stored configuration, with Druid's defaults filled in; absent members are null. */
export type StoredCompactionConfig = z.output<typeof config>;

/** All configurations, and how many of the task slots compaction may take. */
export type CompactionConfigs = z.output<typeof configs>;

/** The stored cluster-wide configuration, with Druid's defaults filled in. */
export type StoredClusterCompactionConfig = z.output<typeof clusterConfig>;

/** A change of a configuration. */
export type CompactionHistoryEntry = z.output<typeof historyEntry>;

/** How far compaction is, as of the Coordinator's last run; `scheduleStatus` is NOT_ENABLED, AWAITING_FIRST_RUN or RUNNING. */
export type CompactionStatus = z.output<typeof status>;

const configPath = '/druid/coordinator/v1/config/compaction';
const clusterPath = '/druid/indexer/v1/compaction/config/cluster';
const operation = 'compaction configuration';

/** Automatic compaction ("Automatic compaction API" in Druid's documentation). */
export class DruidCompaction {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** All configurations. */
  configs(options: CallOptions = {}): Promise<CompactionConfigs> {
    return read(this.transport, { operation, path: configPath }, configs, options);
  }

  /** A datasource's configuration, or undefined if it is not compacted automatically. */
  get(datasource: string, options: CallOptions = {}): Promise<StoredCompactionConfig | undefined> {
    return readIfThere(this.transport, { operation, path: pathOf(datasource) }, config, options);
  }

  /** Creates or replaces a datasource's configuration. Sent exactly once. @throws DruidRemoteError (400 if it makes no sense) */
  set(value: CompactionConfig, options: AuditOptions = {}): Promise<void> {
    const call = { operation: `setting of the ${operation}`, path: configPath, body: value };
    return change(this.transport, call, options);
  }

  /** Ends automatic compaction of a datasource; false if there is none. Sent exactly once. */
  delete(datasource: string, options: AuditOptions = {}): Promise<boolean> {
    const call = {
      operation: `removal of the ${operation}`,
      path: pathOf(datasource),
      method: 'DELETE',
    } as const;
    return changeIfThere(this.transport, call, options);
  }

  /** Which part of all task slots (`ratio`, 0 to 1), and at most how many, compaction may take. Sent exactly once. */
  setTaskSlots(
    slots: { readonly ratio?: number; readonly max?: number },
    options: AuditOptions = {},
  ): Promise<void> {
    const query = { ratio: slots.ratio?.toString(), max: slots.max?.toString() };
    const call = { operation: 'setting of compaction task slots', path: `${configPath}/taskslots`, query };
    return change(this.transport, call, options);
  }

  /** The cluster-wide configuration. @throws DruidRemoteError (404 before Druid 33) */
  clusterConfig(options: CallOptions = {}): Promise<StoredClusterCompactionConfig> {
    return read(this.transport, { operation, path: clusterPath }, clusterConfig, options);
  }

  /**
   * Replaces the cluster-wide configuration; what is left out gets Druid's defaults. Sent exactly once.
   * @throws DruidRemoteError (404 before Druid 33)
   */
  setClusterConfig(value: ClusterCompactionConfig, options: AuditOptions = {}): Promise<void> {
    const call = { operation: `setting of the ${operation}`, path: clusterPath, body: value };
    return change(this.transport, call, options);
  }

  /** Who changed a datasource's configuration, the newest first; empty if it never had one. */
  async history(datasource: string, options: HistoryOptions = {}): Promise<CompactionHistoryEntry[]> {
    const call = {
      operation: `history of the ${operation}`,
      path: `${pathOf(datasource)}/history`,
      query: historyQuery(options),
    };
    return (await readIfThere(this.transport, call, z.array(historyEntry), options)) ?? [];
  }

  /** How far compaction is, of all datasources that have a configuration and were looked at. */
  async statuses(options: CallOptions = {}): Promise<CompactionStatus[]> {
    return (await this.latest(undefined, options)) ?? [];
  }

  /** How far compaction of a datasource is, or undefined if it was not looked at yet. */
  async status(datasource: string, options: CallOptions = {}): Promise<CompactionStatus | undefined> {
    return (await this.latest(datasource, options))?.[0];
  }

  /** Bytes still to compact, as of the Coordinator's last run; undefined for a datasource that was not looked at yet. */
  async remainingBytes(datasource: string, options: CallOptions = {}): Promise<number | undefined> {
    const call = {
      operation: 'compaction progress',
      path: '/druid/coordinator/v1/compaction/progress',
      query: { dataSource: datasource },
    };
    const schema = z.looseObject({ remainingSegmentSize: z.number() });
    return (await readIfThere(this.transport, call, schema, options))?.remainingSegmentSize;
  }

  private async latest(
    dataSource: string | undefined,
    options: CallOptions,
  ): Promise<CompactionStatus[] | undefined> {
    const call = {
      operation: 'compaction status',
      path: '/druid/coordinator/v1/compaction/status',
      query: { dataSource },
    };
    const schema = z.looseObject({ latestStatus: z.array(status) });
    return (await readIfThere(this.transport, call, schema, options))?.latestStatus;
  }
}

function pathOf(datasource: string): string {
  return path`/druid/coordinator/v1/config/compaction/${datasource}`;
}
