import { z } from 'zod';
import type { Transport } from '../transport.js';
import {
  auditEntries,
  change,
  historyQuery,
  read,
  readIfSet,
  type AuditEntry,
  type AuditOptions,
  type CallOptions,
  type HistoryOptions,
} from './calls.js';

/** The Coordinator's settings that change without a restart ("Dynamic configuration" in Druid's documentation). */
export interface CoordinatorDynamicConfig {
  /** Milliseconds that a new leader waits before it drops segments. */
  readonly millisToWaitBeforeDeleting?: number;
  readonly maxSegmentsToMove?: number;
  readonly replicantLifetime?: number;
  readonly replicationThrottleLimit?: number;
  readonly balancerComputeThreads?: number;
  readonly killDataSourceWhitelist?: readonly string[];
  readonly killTaskSlotRatio?: number;
  readonly maxKillTaskSlots?: number;
  readonly maxSegmentsInNodeLoadingQueue?: number;
  /** `name:port` of Historicals to empty. */
  readonly decommissioningNodes?: readonly string[];
  readonly pauseCoordination?: boolean;
  readonly replicateAfterLoadTimeout?: boolean;
  readonly useRoundRobinSegmentAssignment?: boolean;
  readonly smartSegmentLoading?: boolean;
  readonly [key: string]: unknown;
}

/** The Overlord's settings: which worker gets a task, and the autoscaler. */
export interface OverlordDynamicConfig {
  readonly type?: string;
  readonly selectStrategy?: Readonly<{ type: string; [key: string]: unknown }> | null;
  readonly autoScaler?: Readonly<Record<string, unknown>> | null;
  readonly [key: string]: unknown;
}

const coordinatorPath = '/druid/coordinator/v1/config';
const overlordPath = '/druid/indexer/v1/worker';
const number = z.number().optional();
const flag = z.boolean().optional();
// Unknown members are kept, so a configuration read from a newer server can be changed and set again.
const coordinatorSchema: z.ZodType<CoordinatorDynamicConfig> = z.looseObject({
  millisToWaitBeforeDeleting: number,
  maxSegmentsToMove: number,
  replicantLifetime: number,
  replicationThrottleLimit: number,
  balancerComputeThreads: number,
  killTaskSlotRatio: number,
  maxKillTaskSlots: number,
  maxSegmentsInNodeLoadingQueue: number,
  decommissioningNodes: z.array(z.string()).optional(),
  pauseCoordination: flag,
  replicateAfterLoadTimeout: flag,
  useRoundRobinSegmentAssignment: flag,
  smartSegmentLoading: flag,
}) as z.ZodType<CoordinatorDynamicConfig>;
const overlordSchema = z.looseObject({
  selectStrategy: z.looseObject({ type: z.string() }).nullish(),
  autoScaler: z.looseObject({}).nullish(),
}) as z.ZodType<OverlordDynamicConfig>;

/** Dynamic configuration of Coordinator and Overlord. */
export class DruidDynamicConfig {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** The Coordinator's settings, with Druid's defaults where nothing was set. */
  coordinator(options: CallOptions = {}): Promise<CoordinatorDynamicConfig> {
    const call = { operation: 'Coordinator configuration', path: coordinatorPath };
    return read(this.transport, call, coordinatorSchema, options);
  }

  /** Changes the members that are given; the others stay. Sent exactly once. */
  setCoordinator(config: CoordinatorDynamicConfig, options: AuditOptions = {}): Promise<void> {
    const call = {
      operation: 'setting of the Coordinator configuration',
      path: coordinatorPath,
      body: config,
    };
    return change(this.transport, call, options);
  }

  /** Who changed the Coordinator's settings, the newest first. Druid's default: the last week. */
  coordinatorHistory(options: HistoryOptions = {}): Promise<AuditEntry[]> {
    return this.history(coordinatorPath, options);
  }

  /** The Overlord's settings, or undefined where none were ever set. */
  overlord(options: CallOptions = {}): Promise<OverlordDynamicConfig | undefined> {
    const call = { operation: 'Overlord configuration', path: overlordPath };
    return readIfSet(this.transport, call, overlordSchema, options);
  }

  /** Replaces the Overlord's settings as a whole. Sent exactly once. */
  setOverlord(config: OverlordDynamicConfig, options: AuditOptions = {}): Promise<void> {
    const call = { operation: 'setting of the Overlord configuration', path: overlordPath, body: config };
    return change(this.transport, call, options);
  }

  /** Who changed the Overlord's settings, the newest first. Druid's default: the last week. */
  overlordHistory(options: HistoryOptions = {}): Promise<AuditEntry[]> {
    return this.history(overlordPath, options);
  }

  private history(at: string, options: HistoryOptions): Promise<AuditEntry[]> {
    const call = {
      operation: 'history of a configuration',
      path: `${at}/history`,
      query: historyQuery(options),
    };
    return read(this.transport, call, auditEntries, options);
  }
}
