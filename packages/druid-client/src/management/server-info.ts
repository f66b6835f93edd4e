import { z } from 'zod';
import { optionalNumber } from './calls.js';

const server = z.looseObject({
  host: z.string(),
  type: z.string(),
  tier: z.string(),
  priority: z.number(),
  currSize: z.number(),
  maxSize: z.number(),
});

/** A process that holds segments. `host` is `name:port`, `type` such as `historical` or `indexer-executor`, sizes in bytes. */
export type ServerInfo = z.output<typeof server>;

/** An answer of `servers?simple`. */
export const servers = z.array(server);

const tier = z.looseObject({ currSize: z.number(), maxSize: z.number() });

/** A tier; sizes in bytes. */
export type TierInfo = z.output<typeof tier>;

/** An answer of `tiers?simple`. */
export const tiers = z.record(z.string(), tier);

const loadQueue = z.looseObject({
  segmentsToLoad: z.number(),
  segmentsToDrop: z.number(),
  segmentsToLoadSize: z.number(),
  segmentsToDropSize: z.number(),
  expectedLoadTimeMillis: optionalNumber,
});

/** What a server has still to load and drop: numbers of segments, and bytes. */
export type LoadQueue = z.output<typeof loadQueue>;

/** An answer of `loadqueue?simple`. */
export const loadQueues = z.record(z.string(), loadQueue);

/** What `totalWorkerCapacity` says. */
export const workerCapacity = z
  .looseObject({
    currentClusterCapacity: z.number(),
    maximumCapacityWithAutoScale: z.number(),
    usedClusterCapacity: z.number().nullish(),
  })
  .transform((found): WorkerCapacity => ({
    capacity: found.currentClusterCapacity,
    capacityUsed: found.usedClusterCapacity ?? undefined,
    maxCapacityWithAutoScale:
      found.maximumCapacityWithAutoScale >= 0 ? found.maximumCapacityWithAutoScale : undefined,
  }));

/** Task slots of all workers. */
export interface WorkerCapacity {
  readonly capacity: number;
  /** Undefined where the server does not say (before Druid 26). */
  readonly capacityUsed: number | undefined;
  /** Undefined without an autoscaler. */
  readonly maxCapacityWithAutoScale: number | undefined;
}
