import { z } from 'zod';
import { requestJson, requestJsonOrUndefined } from './json-request.js';
import { path } from './request.js';
import type { Transport } from './transport.js';

/** A supervisor as Druid's Overlord takes it; its id is the datasource unless `id` is set. */
export interface SupervisorSpec {
  readonly type: string;
  readonly [key: string]: unknown;
}

const summarySchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  detailedState: z.string(),
  healthy: z.boolean(),
  suspended: z.boolean(),
});

/** A supervisor's state. `state` is PENDING, RUNNING, SUSPENDED, IDLE, STOPPING, UNHEALTHY_SUPERVISOR or UNHEALTHY_TASKS. */
export interface SupervisorSummary {
  readonly id: string;
  readonly state: string;
  readonly detailedState: string;
  readonly healthy: boolean;
  readonly suspended: boolean;
  readonly [key: string]: unknown;
}

const payloadSchema = z.looseObject({
  dataSource: z.string().nullish(),
  stream: z.string().nullish(),
  state: z.string(),
  detailedState: z.string(),
  healthy: z.boolean(),
  suspended: z.boolean(),
  aggregateLag: z.number().nullish(),
  latestOffsets: z.unknown().optional(),
  minimumLag: z.unknown().optional(),
  recentErrors: z.array(z.unknown()).nullish(),
});

const statusSchema = z
  .looseObject({ id: z.string(), generationTime: z.string().nullish(), payload: payloadSchema })
  .transform(({ id, generationTime, payload }) => ({
    ...payload,
    id,
    generationTime: generationTime ?? undefined,
    dataSource: payload.dataSource ?? undefined,
    stream: payload.stream ?? undefined,
    aggregateLag: payload.aggregateLag ?? undefined,
    recentErrors: payload.recentErrors ?? [],
  }));

/** A supervisor's full status; fields of the supervisor's own type are passed through. */
export interface SupervisorStatus extends SupervisorSummary {
  /** When the Overlord made this report, ISO 8601. */
  readonly generationTime: string | undefined;
  readonly dataSource: string | undefined;
  readonly stream: string | undefined;
  /** Records not read yet, over all partitions; undefined while unknown. */
  readonly aggregateLag: number | undefined;
  readonly recentErrors: readonly unknown[];
}

const idSchema = z.looseObject({ id: z.string() });

/** `/druid/indexer/v1/supervisor`. */
export class DruidSupervisors {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Creates a supervisor, or replaces the one of the same id (its tasks then hand over). Sent exactly once. */
  async submit(spec: SupervisorSpec): Promise<{ id: string }> {
    const { id } = await requestJson(
      this.transport,
      {
        operation: 'supervisor submission',
        method: 'POST',
        path: '/druid/indexer/v1/supervisor',
        kind: 'once',
        body: spec,
      },
      idSchema,
    );
    return { id };
  }

  /** The supervisor's status, or undefined if there is none of this id (a terminated one included). */
  status(id: string): Promise<SupervisorStatus | undefined> {
    return requestJsonOrUndefined(
      this.transport,
      {
        operation: 'supervisor status',
        method: 'GET',
        path: path`/druid/indexer/v1/supervisor/${id}/status`,
        kind: 'read',
      },
      statusSchema,
    );
  }

  /** All supervisors that have not been terminated, suspended ones included. */
  list(): Promise<SupervisorSummary[]> {
    return requestJson(
      this.transport,
      {
        operation: 'supervisor list',
        method: 'GET',
        path: '/druid/indexer/v1/supervisor',
        query: { state: 'true' },
        kind: 'read',
      },
      z.array(summarySchema),
    );
  }

  /** Stops a supervisor for good; its tasks publish what they have. False if there is none of this id. */
  terminate(id: string): Promise<boolean> {
    return this.act(id, 'terminate');
  }

  /** Pauses ingestion; the supervisor and its offsets stay. False if there is none. @throws DruidRemoteError (400 if suspended) */
  suspend(id: string): Promise<boolean> {
    return this.act(id, 'suspend');
  }

  /** Resumes a suspended supervisor. False if there is none. @throws DruidRemoteError (400 if it runs) */
  resume(id: string): Promise<boolean> {
    return this.act(id, 'resume');
  }

  private async act(id: string, action: 'terminate' | 'suspend' | 'resume'): Promise<boolean> {
    const answer = await requestJsonOrUndefined(
      this.transport,
      {
        operation: `supervisor ${action}`,
        method: 'POST',
        path: `${path`/druid/indexer/v1/supervisor/${id}/`}${action}`,
        kind: 'once',
        body: {},
      },
      z.unknown(),
    );
    return answer !== undefined;
  }
}
