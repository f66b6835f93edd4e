import { z } from 'zod';
import { DruidRemoteError } from '../errors.js';
import { path } from '../request.js';
import type { Transport } from '../transport.js';
import {
  change,
  changeAndRead,
  changeIfThere,
  read,
  readOnceIfThere,
  readIfThere,
  type AuditOptions,
  type CallOptions,
} from './calls.js';
import type { KafkaSupervisorSpec, KinesisSupervisorSpec, SupervisorSpec } from './supervisor-spec.js';
import {
  historySchema,
  parseErrorsSchema,
  summarySchema,
  supervisorStatsSchema,
  supervisorStatusSchema,
  type SupervisorHistoryEntry,
  type SupervisorParseError,
  type SupervisorStatus,
  type SupervisorSummary,
  type SupervisorTaskStats,
} from './supervisor-status.js';

const idSchema = z.looseObject({ id: z.string() });
const specSchema = z.looseObject({ type: z.string() });
const healthSchema = z.looseObject({ healthy: z.boolean() });
const base = '/druid/indexer/v1/supervisor';

/** Where a supervisor shall go on reading, by partition or shard. */
export interface StreamOffsets {
  readonly type: 'kafka' | 'kinesis';
  /** The topic, or the stream. */
  readonly stream: string;
  /** A number for Kafka, a sequence number as text for Kinesis. Partitions that are not named stay as they are. */
  readonly offsets: Readonly<Record<string, number | bigint | string>>;
}

/** `/druid/indexer/v1/supervisor` ("Supervisor API" in Druid's documentation). */
export class DruidSupervisors {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Creates a supervisor, or replaces the one of the same id (its tasks then hand over). Sent exactly once. */
  async submit(
    spec: KafkaSupervisorSpec | KinesisSupervisorSpec | SupervisorSpec,
    options: AuditOptions & { readonly skipRestartIfUnmodified?: boolean } = {},
  ): Promise<{ id: string }> {
    const { skipRestartIfUnmodified, ...audit } = options;
    const call = {
      operation: 'supervisor submission',
      path: base,
      query: { skipRestartIfUnmodified: skipRestartIfUnmodified === true ? 'true' : undefined },
      body: spec,
    };
    const { id } = await changeAndRead(this.transport, call, idSchema, audit);
    return { id };
  }

  /** The supervisor's specification, or undefined if there is none of this id (a terminated one included). */
  get(id: string, options: CallOptions = {}): Promise<SupervisorSpec | undefined> {
    return readIfThere(this.transport, this.callOf(id, 'specification', ''), specSchema, options);
  }

  /** The supervisor's status, or undefined if there is none of this id (a terminated one included). */
  status(id: string, options: CallOptions = {}): Promise<SupervisorStatus | undefined> {
    return readIfThere(this.transport, this.callOf(id, 'status', '/status'), supervisorStatusSchema, options);
  }

  /** Whether the supervisor and its tasks are well; undefined if there is none of this id. */
  async health(id: string, options: CallOptions = {}): Promise<boolean | undefined> {
    const call = this.callOf(id, 'health', '/health');
    try {
      return (await readOnceIfThere(this.transport, call, healthSchema, options))?.healthy;
    } catch (error) {
      // 503 with `{"healthy":false}`, unlike the 503 of an Overlord without a leader.
      const isAnswer = DruidRemoteError.is(error) && error.details.status === 503;
      if (isAnswer && healthSchema.safeParse(error.details.druid).success) return false;
      throw error;
    }
  }

  /** Row counts by task group and task id; undefined if there is none of this id. */
  stats(
    id: string,
    options: CallOptions = {},
  ): Promise<Record<string, Record<string, SupervisorTaskStats>> | undefined> {
    return readIfThere(this.transport, this.callOf(id, 'stats', '/stats'), supervisorStatsSchema, options);
  }

  /** Records that could lately not be parsed; undefined if there is none of this id. */
  parseErrors(id: string, options: CallOptions = {}): Promise<SupervisorParseError[] | undefined> {
    return readIfThere(
      this.transport,
      this.callOf(id, 'parse errors', '/parseErrors'),
      parseErrorsSchema,
      options,
    );
  }

  /** The versions of the specification, the newest first, also of a terminated supervisor; undefined for an unknown id. */
  history(id: string, options: CallOptions = {}): Promise<SupervisorHistoryEntry[] | undefined> {
    return readIfThere(this.transport, this.callOf(id, 'history', '/history'), historySchema, options);
  }

  /** The histories of all supervisors that ever were, by id. */
  histories(options: CallOptions = {}): Promise<Record<string, SupervisorHistoryEntry[]>> {
    const call = { operation: 'supervisor histories', path: `${base}/history` };
    return read(this.transport, call, z.record(z.string(), historySchema), options);
  }

  /** All supervisors that have not been terminated, suspended ones included. */
  list(options: CallOptions = {}): Promise<SupervisorSummary[]> {
    // Without `system` the list says that none is suspended.
    const query = { state: 'true', system: '' };
    const call = { operation: 'supervisor list', path: base, query };
    return read(this.transport, call, z.array(summarySchema), options);
  }

  /** Stops a supervisor for good; its tasks publish what they have. False if there is none of this id. Sent exactly once. */
  terminate(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.act(id, 'terminate', {}, options);
  }

  /** Pauses ingestion; the supervisor and its offsets stay. False if there is none. @throws DruidRemoteError (400 if suspended) */
  suspend(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.act(id, 'suspend', {}, options);
  }

  /** Resumes a suspended supervisor. False if there is none. @throws DruidRemoteError (400 if it runs) */
  resume(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.act(id, 'resume', {}, options);
  }

  /**
   * Forgets all stored offsets: reading begins anew where `useEarliestOffset` says, so rows may be missed or doubled.
   * False if there is none of this id.
   */
  reset(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.act(id, 'reset', {}, options);
  }

  /**
   * Sets the stored offsets of some partitions (since Druid 28): rows may be missed or doubled. False if there is none
   * of this id.
   *
   * @example await druid.supervisors.resetOffsets('edits', { type: 'kafka', stream: 'topic', offsets: { 0: 100 } })
   */
  resetOffsets(id: string, to: StreamOffsets, options: CallOptions = {}): Promise<boolean> {
    const { type, stream, offsets } = to;
    const partitions = { type: 'end', stream, partitionOffsetMap: offsets };
    return this.act(id, 'resetOffsets', { type, partitions }, options);
  }

  /**
   * Makes task groups publish now and hand over to new tasks, before their duration is up (since Druid 30). False if
   * there is no supervisor of this id.
   */
  handoff(id: string, taskGroupIds: readonly number[], options: CallOptions = {}): Promise<boolean> {
    return this.act(id, 'taskGroups/handoff', { taskGroupIds }, options);
  }

  /** Suspends all supervisors. Sent exactly once. */
  suspendAll(options: CallOptions = {}): Promise<void> {
    return this.actOnAll('suspendAll', options);
  }

  /** Resumes all supervisors. Sent exactly once. */
  resumeAll(options: CallOptions = {}): Promise<void> {
    return this.actOnAll('resumeAll', options);
  }

  /** Stops all supervisors for good. Sent exactly once. */
  terminateAll(options: CallOptions = {}): Promise<void> {
    return this.actOnAll('terminateAll', options);
  }

  private act(id: string, action: string, body: unknown, options: CallOptions): Promise<boolean> {
    const call = this.callOf(id, action, `/${action}`);
    return changeIfThere(this.transport, { ...call, body }, options);
  }

  private actOnAll(action: string, options: CallOptions): Promise<void> {
    return change(this.transport, { operation: `supervisor ${action}`, path: `${base}/${action}` }, options);
  }

  private callOf(id: string, what: string, suffix: string) {
    return { operation: `supervisor ${what}`, path: `${path`/druid/indexer/v1/supervisor/${id}`}${suffix}` };
  }
}
