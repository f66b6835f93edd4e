import { z } from 'zod';
import { isUnknownToDruid, requestJson } from '../json-request.js';
import { DruidError, DruidRemoteError } from '../errors.js';
import { path as pathTo } from '../request.js';
import type { Transport } from '../transport.js';
import { change, read, readIfThere, type CallOptions } from './calls.js';
import {
  loadQueues,
  servers,
  tiers,
  workerCapacity,
  type LoadQueue,
  type ServerInfo,
  type TierInfo,
  type WorkerCapacity,
} from './server-info.js';

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

const loadStatusPath = '/druid/coordinator/v1/loadstatus';
const numbers = z.record(z.string(), z.number());

/** Health, version and topology. */
export class DruidClusterApi {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /**
   * Whether the process behind the URL (of several, the first that can be reached) answers that it is healthy. Asked once,
   * without retries; never throws for a server that is down. True long before the Overlord takes tasks: see
   * {@link DruidClusterApi.workers}.
   * @throws DruidAbortedError, DruidConfigError, DruidRemoteError (401, 403), DruidConnectionError (certificates)
   */
  async health(options: CallOptions = {}): Promise<boolean> {
    const request = {
      operation: 'health check',
      method: 'GET',
      path: '/status/health',
      kind: 'once',
      ignoresCircuit: true,
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
  status(options: CallOptions = {}): Promise<ClusterStatus> {
    return read(this.transport, { operation: 'status', path: '/status' }, statusSchema, options);
  }

  /** Druid's version, such as `33.0.0`. */
  async version(options: CallOptions = {}): Promise<string> {
    return (await this.status(options)).version;
  }

  /** Who leads the Coordinators and the Overlords. */
  async leader(options: CallOptions = {}): Promise<ClusterLeaders> {
    const [coordinator, overlord] = await Promise.all([
      this.leaderOf('/druid/coordinator/v1/leader', options),
      this.leaderOf('/druid/indexer/v1/leader', options),
    ]);
    return { coordinator, overlord };
  }

  /**
   * Whether the process behind the client's URL leads the Coordinators, or the Overlords. The Router passes this on to the
   * leader: make a client with the process's own address.
   */
  async isLeader(role: 'coordinator' | 'overlord', options: CallOptions = {}): Promise<boolean> {
    const service = role === 'overlord' ? 'indexer' : role;
    const call = { operation: 'leadership', path: `/druid/${service}/v1/isLeader` };
    const schema = z.looseObject({ leader: z.boolean() });
    return (await readIfThere(this.transport, call, schema, options))?.leader ?? false;
  }

  /** The workers that the Overlord sees; empty until one has announced itself. */
  workers(options: CallOptions = {}): Promise<WorkerInfo[]> {
    const call = { operation: 'worker list', path: '/druid/indexer/v1/workers' };
    return read(this.transport, call, z.array(workerSchema), options);
  }

  /** Task slots of all workers. */
  workerCapacity(options: CallOptions = {}): Promise<WorkerCapacity> {
    const call = { operation: 'worker capacity', path: '/druid/indexer/v1/totalWorkerCapacity' };
    return read(this.transport, call, workerCapacity, options);
  }

  /** Gives a worker (`name:port`) no more tasks; those that run go on. Sent exactly once. @throws DruidRemoteError (500 for an unknown worker) */
  disableWorker(host: string, options: CallOptions = {}): Promise<void> {
    const call = { operation: 'disabling of a worker', path: workerPath(host, 'disable') };
    return change(this.transport, call, options);
  }

  /** Ends {@link DruidClusterApi.disableWorker}. Sent exactly once. */
  enableWorker(host: string, options: CallOptions = {}): Promise<void> {
    const call = { operation: 'enabling of a worker', path: workerPath(host, 'enable') };
    return change(this.transport, call, options);
  }

  /** The processes that hold segments, as the Coordinator sees them. */
  servers(options: CallOptions = {}): Promise<ServerInfo[]> {
    const call = { operation: 'server list', path: '/druid/coordinator/v1/servers', query: { simple: '' } };
    return read(this.transport, call, servers, options);
  }

  /** The tiers of Historicals, by name. */
  tiers(options: CallOptions = {}): Promise<Record<string, TierInfo>> {
    const call = { operation: 'tier list', path: '/druid/coordinator/v1/tiers', query: { simple: '' } };
    return read(this.transport, call, tiers, options);
  }

  /** Per cent loaded (0 to 100) of what should be, by datasource. One without segments in use is missing. */
  loadStatus(options: CallOptions = {}): Promise<Record<string, number>> {
    const call = { operation: 'load status', path: loadStatusPath };
    return read(this.transport, call, numbers, options);
  }

  /** Segments still to load until all can be queried, by datasource; replicas are not counted. */
  segmentsToLoad(options: CallOptions = {}): Promise<Record<string, number>> {
    const call = { operation: 'load status', path: loadStatusPath, query: { simple: '' } };
    return read(this.transport, call, numbers, options);
  }

  /** Segments still to load with all replicas, by tier and datasource. Never 0 where a tier has fewer servers than replicas. */
  replicasToLoad(options: CallOptions = {}): Promise<Record<string, Record<string, number>>> {
    const call = { operation: 'load status', path: loadStatusPath, query: { full: '' } };
    return read(this.transport, call, z.record(z.string(), numbers), options);
  }

  /** What each server has still to load and drop, by `name:port`. */
  loadQueue(options: CallOptions = {}): Promise<Record<string, LoadQueue>> {
    const call = { operation: 'load queue', path: '/druid/coordinator/v1/loadqueue', query: { simple: '' } };
    return read(this.transport, call, loadQueues, options);
  }

  /** The Brokers that the Router knows (`name:port`), by the service name of their tier. Only a Router answers this. */
  brokers(options: CallOptions = {}): Promise<Record<string, string[]>> {
    const call = { operation: 'broker list', path: '/druid/router/v1/brokers' };
    return read(this.transport, call, z.record(z.string(), z.array(z.string())), options);
  }

  /**
   * Whether the Broker or Historical behind the client's URL has seen or loaded what it must before it may be queried.
   * The Router does not pass this on: make a client with the process's own address. Asked once, without retries.
   * @throws DruidAbortedError, DruidConnectionError, DruidRemoteError (404 where the process is of another role)
   */
  async readiness(role: 'broker' | 'historical', options: CallOptions = {}): Promise<boolean> {
    const call = { operation: 'readiness', method: 'GET', path: `/druid/${role}/v1/readiness` } as const;
    try {
      await change(this.transport, call, options);
      return true;
    } catch (error) {
      if (DruidRemoteError.is(error) && error.details.status === 503) return false;
      throw error;
    }
  }

  /**
   * Whether the Broker behind the client's URL has seen all servers (its inventory), or the Historical has loaded its cache.
   * As {@link DruidClusterApi.readiness}, but an answer of its own kind and not a status; with retries.
   */
  async hasLoaded(role: 'broker' | 'historical', options: CallOptions = {}): Promise<boolean> {
    const call = { operation: 'load status', path: `/druid/${role}/v1/loadstatus` };
    const schema = z.union([
      z.looseObject({ inventoryInitialized: z.boolean() }).transform((told) => told.inventoryInitialized),
      z.looseObject({ cacheInitialized: z.boolean() }).transform((told) => told.cacheInitialized),
    ]);
    return read(this.transport, call, schema, options);
  }

  /** Whether the process behind the URL sees itself in the cluster's service discovery. */
  async isSelfDiscovered(options: CallOptions = {}): Promise<boolean> {
    const call = { operation: 'self-discovery', path: '/status/selfDiscovered/status' };
    const schema = z.looseObject({ selfDiscovered: z.boolean() });
    return (await read(this.transport, call, schema, options)).selfDiscovered;
  }

  /** The configuration of the process behind the URL; Druid leaves out what is secret. */
  properties(options: CallOptions = {}): Promise<Record<string, string>> {
    const call = { operation: 'properties', path: '/status/properties' };
    return read(this.transport, call, z.record(z.string(), z.string()), options);
  }

  private async leaderOf(path: string, options: CallOptions): Promise<string | undefined> {
    const request = { operation: 'leader', method: 'GET', path, kind: 'once', ...options } as const;
    try {
      // Plain text in spite of its content type.
      const { text } = await this.transport.text(request);
      return text.trim() === '' ? undefined : text.trim();
    } catch (error) {
      if (isUnknownToDruid(error)) return undefined;
      if (DruidRemoteError.is(error) && error.details.status === 503) return undefined;
      throw error;
    }
  }
}

function workerPath(host: string, action: 'enable' | 'disable'): string {
  return `${pathTo`/druid/indexer/v1/worker/${host}`}/${action}`;
}

function isDown(error: unknown): boolean {
  if (!DruidError.is(error)) return false;
  // A wrong certificate is no matter of health.
  if (error.code === 'DRUID_REMOTE' || error.code === 'DRUID_CONNECTION') return error.retryable;
  return error.code === 'DRUID_TIMEOUT' || error.code === 'DRUID_THROTTLED';
}
