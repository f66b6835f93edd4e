import { z } from 'zod';
import { DruidRemoteError } from '../errors.js';
import { isUnknownToDruid, parseJson, parseWith } from '../json-request.js';
import { poll, type WaitOptions } from '../poll.js';
import {
  change,
  changeAndRead,
  read,
  readElements,
  readIfThere,
  type AuditOptions,
  type CallOptions,
} from './calls.js';
import {
  candidates,
  datasourceColumns,
  datasourceInfo,
  intervalInfos,
  unusedSegments,
  type DatasourceColumns,
  type DatasourceInfo,
  type IntervalInfo,
  type SegmentCandidate,
  type UnusedSegment,
} from './datasource-info.js';
import {
  intervalBounds,
  intervalsOverlap,
  publishedSegment,
  segmentRow,
  segmentsSql,
  type PublishedSegmentInfo,
  type SegmentInfo,
} from './segments.js';
import type { DruidSql } from '../sql.js';
import { eternity } from '../native/intervals.js';
import { path } from '../request.js';
import type { Transport } from '../transport.js';

/** How much of a datasource the Historicals have loaded. */
export interface LoadStatus {
  /** 0 to 100. */
  readonly percentLoaded: number;
  readonly isLoaded: boolean;
}

/** Options of {@link DruidDatasources.loadStatus}. */
export interface LoadStatusOptions extends CallOptions {
  /** `start/end` in ISO 8601. Default: all time (Druid's own default, the last two weeks, hides older data). */
  readonly interval?: string;
  /** Makes the Coordinator read the metadata store first. Default true; else the answer may lag a minute behind. */
  readonly forceMetadataRefresh?: boolean;
}

/** Options of the waiting calls: by default a look every 500 ms, for two minutes. */
export interface LoadWaitOptions extends WaitOptions {
  /** `start/end` in ISO 8601. Default: all time. */
  readonly interval?: string;
}

/** Which segments to mark: those wholly inside an interval, those named, or all of them. */
export type SegmentSelection =
  { readonly interval: string } | { readonly segmentIds: readonly string[] } | { readonly all: true };

// Wide enough for any data and understood by every version; Druid's own "eternity" does not survive all parsers.
const allTime = '0000-01-01T00:00:00.000Z/9999-12-31T00:00:00.000Z';

const namesSchema = z.array(z.string());
const changedSchema = z.looseObject({ numChangedSegments: z.number() });

/** Datasources, their segments, and when they can be queried. */
export class DruidDatasources {
  private readonly transport: Transport;
  private readonly sql: DruidSql;

  constructor(transport: Transport, sql: DruidSql) {
    this.transport = transport;
    this.sql = sql;
  }

  /** Names of the datasources with published segments in use, loaded or not; with `includeUnused`, of all. */
  list(options: CallOptions & { readonly includeUnused?: boolean } = {}): Promise<string[]> {
    const { includeUnused, ...call } = options;
    const query = { includeUnused: includeUnused === true ? '' : undefined };
    const at = '/druid/coordinator/v1/metadata/datasources';
    return read(this.transport, { operation: 'datasource list', path: at, query }, namesSchema, call);
  }

  /** Whether the datasource has published segments in use. Whether it can be queried is another question. */
  async exists(name: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.list(options)).includes(name);
  }

  /** Names of the datasources that the Broker has segments of, on Historicals or in running tasks. */
  queryable(options: CallOptions = {}): Promise<string[]> {
    const call = { operation: 'list of queryable datasources', path: '/druid/v2/datasources' };
    return read(this.transport, call, namesSchema, options);
  }

  /**
   * Names of the columns in the segments that the Broker has of an interval (`start/end`; default: all time). Without types,
   * which are in `INFORMATION_SCHEMA`; empty for a datasource that it does not know.
   */
  columns(
    name: string,
    options: CallOptions & { readonly interval?: string } = {},
  ): Promise<DatasourceColumns> {
    const { interval = eternity, ...callOptions } = options;
    const call = {
      operation: 'columns of a datasource',
      path: path`/druid/v2/datasources/${name}`,
      query: { interval },
    };
    return read(this.transport, call, datasourceColumns, callOptions);
  }

  /** How much of the interval is loaded; undefined if it has no segments in use (or the datasource is unknown). */
  async loadStatus(name: string, options: LoadStatusOptions = {}): Promise<LoadStatus | undefined> {
    const operation = 'load status';
    try {
      const { response, text } = await this.transport.text({
        operation,
        method: 'GET',
        path: path`/druid/coordinator/v1/datasources/${name}/loadstatus`,
        query: {
          forceMetadataRefresh: String(options.forceMetadataRefresh ?? true),
          interval: options.interval ?? allTime,
        },
        kind: 'read',
        signal: options.signal,
        timeoutMs: options.timeoutMs,
      });
      // Nothing in use: 204 for an unknown datasource, 200 with a sentence for a known one.
      if (response.status === 204 || /^No used segment/i.test(text)) return undefined;
      const percents = parseWith(
        z.record(z.string(), z.number()),
        parseJson(text, operation, response),
        operation,
      );
      const percentLoaded = percents[name];
      return percentLoaded === undefined ? undefined : { percentLoaded, isLoaded: percentLoaded >= 100 };
    } catch (error) {
      if (isUnknownToDruid(error)) return undefined;
      throw error;
    }
  }

  /**
   * The segments that the Broker knows, from `sys.segments`. What was published within the last minute may be missing
   * or have `isPublished: false`, because the Broker asks the Coordinator only so often. With `interval` (`start/end` in
   * ISO 8601), those that have time in common with it.
   *
   * @throws DruidConfigError for an interval that is not two times
   */
  async segments(
    name: string,
    options: CallOptions & { readonly interval?: string } = {},
  ): Promise<SegmentInfo[]> {
    const { interval, ...call } = options;
    const isWanted = overlapsWith(interval);
    const rows = await this.sql.query(segmentsSql, { parameters: [name], schema: segmentRow, ...call });
    return rows.filter(({ start, end }) => isWanted(`${start}/${end}`));
  }

  /**
   * The published segments in use, overshadowed ones and tombstones included, as the Coordinator has them: fresher than
   * {@link segments}, and without work for the Broker. With `interval`, those that have time in common with it. Empty, too,
   * where the Coordinator does not let the user read the datasource.
   *
   * @throws DruidConfigError for an interval that is not two times
   */
  async publishedSegments(
    name: string,
    options: CallOptions & { readonly interval?: string } = {},
  ): Promise<PublishedSegmentInfo[]> {
    const { interval, ...callOptions } = options;
    const isWanted = overlapsWith(interval);
    const call = {
      operation: 'list of published segments',
      path: '/druid/coordinator/v1/metadata/segments',
      query: { datasources: name, includeOvershadowedStatus: 'true' },
    };
    const segments = await readElements(this.transport, call, publishedSegment, callOptions);
    return segments.filter((segment) => isWanted(segment.interval));
  }

  /** Takes segments out of use; the data stays in deep storage and can be marked used again. Sent exactly once. */
  async markUnused(
    name: string,
    selection: SegmentSelection,
    options: CallOptions = {},
  ): Promise<{ numChangedSegments: number }> {
    const operation = 'marking of segments as unused';
    const base = path`/druid/coordinator/v1/datasources/${name}`;
    const request =
      'all' in selection
        ? ({ operation, method: 'DELETE', path: base, kind: 'once' } as const)
        : ({ operation, method: 'POST', path: `${base}/markUnused`, kind: 'once', body: selection } as const);
    const { response, text } = await this.transport.text({ ...request, ...options });
    if (response.status === 204) return { numChangedSegments: 0 };
    const { numChangedSegments } = parseWith(changedSchema, parseJson(text, operation, response), operation);
    return { numChangedSegments };
  }

  /**
   * Puts segments into use again, unless they are overshadowed. Sent to the Overlord, and to the Coordinator where the
   * Overlord has no such path (before Druid 32), which changes nothing where the datasource has no segment in use.
   *
   * @throws DruidDecodeError where the Coordinator answers 204 for that
   */
  async markUsed(
    name: string,
    selection: Exclude<SegmentSelection, { readonly all: true }>,
    options: CallOptions = {},
  ): Promise<{ numChangedSegments: number }> {
    const operation = 'marking of segments as used';
    const call = (service: string) => ({
      operation,
      path: `/druid/${service}/v1${path`/datasources/${name}/markUsed`}`,
      body: selection,
    });
    try {
      return await changeAndRead(this.transport, call('indexer'), changedSchema, options);
    } catch (error) {
      // Whoever answers 404 has changed nothing.
      if (!DruidRemoteError.is(error) || error.details.status !== 404) throw error;
      return await changeAndRead(this.transport, call('coordinator'), changedSchema, options);
    }
  }

  /**
   * Deletes the unused segments of an interval for good, from metadata and deep storage, by a `kill` task that Druid
   * starts. Sent exactly once.
   */
  deleteUnused(name: string, interval: string, options: AuditOptions = {}): Promise<void> {
    const at = `${path`/druid/coordinator/v1/datasources/${name}/intervals/`}${encodeURIComponent(interval.replace('/', '_'))}`;
    const call = { operation: 'deletion of unused segments', path: at, method: 'DELETE' } as const;
    return change(this.transport, call, options);
  }

  /** Segments out of use whose data is still there, all or of an interval (since Druid 28). */
  unusedSegments(
    name: string,
    options: CallOptions & { readonly interval?: string; readonly limit?: number } = {},
  ): Promise<UnusedSegment[]> {
    const { interval, limit, ...call } = options;
    const at = path`/druid/coordinator/v1/metadata/datasources/${name}/unusedSegments`;
    const query = { interval, limit: limit?.toString() };
    return read(this.transport, { operation: 'unused segments', path: at, query }, unusedSegments, call);
  }

  /** Sizes, segment counts and times of what servers have of the datasource; undefined if none has any. */
  info(name: string, options: CallOptions = {}): Promise<DatasourceInfo | undefined> {
    const call = { operation: 'datasource', path: path`/druid/coordinator/v1/datasources/${name}` };
    return readIfThere(this.transport, call, datasourceInfo, options);
  }

  /**
   * The intervals of the segments that servers have, by `start/end`; undefined if none has any.
   *
   * @example await druid.datasources.intervals('edits') // { '2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z': { size: 1198, count: 1 } }
   */
  intervals(name: string, options: CallOptions = {}): Promise<Record<string, IntervalInfo> | undefined> {
    const at = path`/druid/coordinator/v1/datasources/${name}/intervals`;
    const call = { operation: 'intervals', path: at, query: { simple: '' } };
    return readIfThere(this.transport, call, intervalInfos, options);
  }

  /**
   * Which servers hold which segments, as the Broker sees it ("segment to server mapping"). A segment that is loaded
   * nowhere is missing; without `intervals` all of time is asked for, else the answer's intervals are cut to them.
   */
  segmentServers(
    name: string,
    options: CallOptions & { readonly intervals?: readonly string[]; readonly numCandidates?: number } = {},
  ): Promise<SegmentCandidate[]> {
    // Druid cuts the segments' own intervals to those that are asked for.
    const { intervals = [eternity], numCandidates, ...call } = options;
    return read(
      this.transport,
      {
        operation: 'segment servers',
        method: 'POST',
        path: '/druid/v2/candidates',
        query: { numCandidates: numCandidates?.toString() },
        body: { queryType: 'scan', dataSource: name, intervals },
      },
      candidates,
      call,
    );
  }

  /** Whether a Historical has the segment, or no rule wants it loaded: what a streaming task waits for. */
  isHandedOff(
    name: string,
    segment: { readonly interval: string; readonly version: string; readonly partitionNumber: number },
    options: CallOptions = {},
  ): Promise<boolean> {
    const { interval, version, partitionNumber } = segment;
    const at = path`/druid/coordinator/v1/datasources/${name}/handoffComplete`;
    const query = { interval, version, partitionNumber: String(partitionNumber) };
    return read(this.transport, { operation: 'handoff', path: at, query }, z.boolean(), options);
  }

  /** Waits until all segments of the interval are loaded by Historicals. The Broker may need a moment more. */
  async waitUntilLoaded(name: string, options: LoadWaitOptions = {}): Promise<void> {
    const { interval, signal } = options;
    await poll(this.transport, `loading of '${name}'`, waitLimits(options), async () => {
      const status = await this.loadStatus(name, {
        ...(interval && { interval }),
        ...(signal && { signal }),
      });
      return status?.isLoaded === true ? { done: true } : { pending: status ?? 'no segments in use' };
    });
  }

  /**
   * Waits until the Broker answers for every published segment of the interval: SUCCESS of a task alone does not mean
   * that. Segments that no rule loads are left out. With several Brokers, only the one that was asked is known.
   *
   * @throws DruidTimeoutError with what was missing, DruidConfigError for an interval that is not two times
   */
  async waitUntilQueryable(name: string, options: LoadWaitOptions = {}): Promise<void> {
    const { interval, signal } = options;
    const isWanted = overlapsWith(interval);
    const withSignal = signal && { signal };
    await poll(this.transport, `wait for '${name}' to be queryable`, waitLimits(options), async () => {
      const status = await this.loadStatus(name, { ...(interval && { interval }), ...withSignal });
      if (status?.isLoaded !== true) return { pending: status ?? 'no segments in use' };
      const published = (await this.publishedSegments(name, withSignal)).filter(
        (segment) => !segment.isOvershadowed && segment.isLoadable && isWanted(segment.interval),
      );
      const known = await this.segments(name, withSignal);
      const available = new Set(
        known.filter(({ isAvailable }) => isAvailable).map(({ segmentId }) => segmentId),
      );
      const missing = published
        .map(({ segmentId }) => segmentId)
        .filter((segmentId) => !available.has(segmentId));
      if (published.length === 0 || missing.length > 0) {
        return { pending: { segments: published.length, unknownToBroker: missing.slice(0, 5) } };
      }
      return (await this.isPlannable(name, signal))
        ? { done: true }
        : { pending: 'the Broker has no such table yet' };
    });
  }

  // The Broker learns a new datasource's columns after its segments; until then SQL says "Object not found".
  private async isPlannable(name: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const table = `"${name.replaceAll('"', '""')}"`;
      await this.sql.query(`SELECT 1 FROM ${table} LIMIT 1`, {
        rowFormat: 'array',
        ...(signal && { signal }),
      });
      return true;
    } catch (error) {
      if (DruidRemoteError.is(error) && error.details.status === 400) return false;
      throw error;
    }
  }
}

function waitLimits(options: LoadWaitOptions) {
  const { pollIntervalMs = 500, timeoutMs = 120_000, signal } = options;
  return { pollIntervalMs, timeoutMs, ...(signal && { signal }) };
}

// Not in SQL: the texts of "all time" lie before and after all others only as times.
function overlapsWith(interval: string | undefined): (segmentInterval: string) => boolean {
  if (interval === undefined) return () => true;
  intervalBounds(interval);
  return (segmentInterval) => intervalsOverlap(segmentInterval, interval);
}
