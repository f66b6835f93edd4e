import { z } from 'zod';
import { requestJson } from './json-request.js';
import { DruidError, DruidRemoteError } from './errors.js';
import type { Transport } from './transport.js';

const statusSchema = z.looseObject({
  version: z.string(),
  modules: z.array(
    z.looseObject({ name: z.string(), artifact: z.string().nullish(), version: z.string().nullish() }),
  ),
  memory: z.looseObject({ maxMemory: z.number(), usedMemory: z.number() }),
});

/** The process behind the client's URL. Memory is in bytes. */
export type ClusterStatus = z.infer<typeof statusSchema>;

const workerSchema = z
  .looseObject({
    worker: z.looseObject({ host: z.string(), capacity: z.number(), version: z.string().nullish() }),
    currCapacityUsed: z.number(),
    runningTasks: z.array(z.string()),
  })
  .transform(({ worker, currCapacityUsed, runningTasks }) => ({
    host: worker.host,
    capacity: worker.capacity,
    capacityUsed: currCapacityUsed,
    runningTasks,
  }));

/** A Middle Manager or Indexer. `host` is `name:port`, the capacities are task slots. */
export interface WorkerInfo {
  readonly host: string;
  readonly capacity: number;
  readonly capacityUsed: number;
  readonly runningTasks: readonly string[];
}

/** Addresses of the leaders; undefined while there is none. */
export interface ClusterLeaders {
  readonly coordinator: string | undefined;
  readonly overlord: string | undefined;
}

/** Health, version and topology. */
export class DruidClusterApi {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /**
   * Whether the process behind the URL answers that it is healthy. Asked once, without retries; never throws for
   * a server that is down. True long before the Overlord takes tasks: see {@link DruidClusterApi.workers}.
   * @throws DruidAbortedError, DruidConfigError, DruidRemoteError (401, 403)
   */
  async health(
    options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
  ): Promise<boolean> {
    const request = {
      operation: 'health check',
      method: 'GET',
      path: '/status/health',
      kind: 'once',
      ...options,
    } as const;
    try {
      return await requestJson(this.transport, request, z.boolean());
    } catch (error) {
      if (isDown(error)) return false;
      throw error;
    }
  }

  /** Version, modules and memory of the process behind the URL. */
  status(): Promise<ClusterStatus> {
    return requestJson(
      this.transport,
      { operation: 'status', method: 'GET', path: '/status', kind: 'read' },
      statusSchema,
    );
  }

  /** Druid's version, such as `33.0.0`. */
  async version(): Promise<string> {
    return (await this.status()).version;
  }

  /** Who leads the Coordinators and the Overlords. */
  async leader(): Promise<ClusterLeaders> {
    const [coordinator, overlord] = await Promise.all([
      this.leaderOf('/druid/coordinator/v1/leader'),
      this.leaderOf('/druid/indexer/v1/leader'),
    ]);
    return { coordinator, overlord };
  }

  /** The workers that the Overlord sees; empty until one has announced itself. */
  workers(): Promise<WorkerInfo[]> {
    return requestJson(
      this.transport,
      { operation: 'worker list', method: 'GET', path: '/druid/indexer/v1/workers', kind: 'read' },
      z.array(workerSchema),
    );
  }

  private async leaderOf(path: string): Promise<string | undefined> {
    try {
      // Plain text in spite of its content type.
      const { text } = await this.transport.text({ operation: 'leader', method: 'GET', path, kind: 'once' });
      return text.trim() === '' ? undefined : text.trim();
    } catch (error) {
      if (DruidRemoteError.is(error) && (error.details.status === 404 || error.details.status === 503))
        return undefined;
      throw error;
    }
  }
}

function isDown(error: unknown): boolean {
  if (!DruidError.is(error)) return false;
  if (error.code === 'DRUID_REMOTE') return error.retryable;
  return (
    error.code === 'DRUID_CONNECTION' || error.code === 'DRUID_TIMEOUT' || error.code === 'DRUID_THROTTLED'
  );
}
