import { z } from 'zod';
import { optionalText } from './calls.js';

const sizes = z.looseObject({ size: z.number(), replicatedSize: z.number() });

const info = z.looseObject({
  tiers: z.record(z.string(), sizes.extend({ segmentCount: z.number() })),
  segments: sizes.extend({ count: z.number(), minTime: z.string().nullish(), maxTime: z.string().nullish() }),
});

/** What the Coordinator sees of a datasource on the servers. Sizes in bytes, `replicatedSize` with all replicas; times ISO 8601. */
export type DatasourceInfo = z.output<typeof info>;

/** An answer of `datasources/{name}`. */
export const datasourceInfo: z.ZodType<DatasourceInfo> = info;

const intervalInfo = z.looseObject({ size: z.number(), count: z.number() });

/** The segments of an interval: their number, and their bytes. */
export type IntervalInfo = z.output<typeof intervalInfo>;

/** An answer of `datasources/{name}/intervals?simple`. */
export const intervalInfos = z.record(z.string(), intervalInfo);

/** An answer of `/druid/v2/datasources/{name}`. */
export const datasourceColumns = z.looseObject({
  dimensions: z.array(z.string()),
  metrics: z.array(z.string()),
});

/** Names of a datasource's columns; `__time` is in neither. */
export type DatasourceColumns = z.output<typeof datasourceColumns>;

const location = z.looseObject({
  host: z.string(),
  hostAndTlsPort: z.string().nullish(),
  type: z.string(),
  tier: z.string().nullish(),
  priority: z.number().nullish(),
});

const candidate = z.looseObject({
  interval: z.string(),
  version: z.string(),
  partitionNumber: z.number(),
  size: z.number(),
  locations: z.array(location),
});

/**
 * A segment, and the servers that the Broker would ask for it (`host` is `name:port`; `type` is `historical`,
 * `indexer-executor`, …). `size` in bytes.
 */
export type SegmentCandidate = z.output<typeof candidate>;

/** An answer of `POST /druid/v2/candidates`. */
export const candidates = z.array(candidate);

const unused = z
  .looseObject({
    dataSegment: z.looseObject({
      dataSource: z.string(),
      interval: z.string(),
      version: z.string(),
      identifier: z.string().nullish(),
      size: z.number().nullish(),
    }),
    createdDate: optionalText,
    usedStatusLastUpdatedDate: optionalText,
  })
  .transform(({ dataSegment, ...rest }) => ({ ...rest, ...dataSegment }));

/** A segment out of use, as the metadata store has it; the dates are ISO 8601. Unknown members are kept. */
export type UnusedSegment = z.output<typeof unused>;

/** An answer of `metadata/datasources/{name}/unusedSegments`. */
export const unusedSegments = z.array(unused);
