import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

export type FakeRow = Record<string, unknown>;

export interface FakeSegment {
  readonly id: string;
  start: string;
  end: string;
  version: string;
  partition: number;
  rows: FakeRow[];
  /** How many rows the metadata says that there are; the number of rows unless set. */
  numRows?: number;
  /** What `num_rows` in `sys.segments` says, which may be of a time when the segment was still written. */
  staleRows?: number;
  size?: number;
  isPublished?: boolean;
  /** Known to the Broker and loaded. */
  isAvailable?: boolean;
  isRealtime?: boolean;
  isOvershadowed?: boolean;
  shardSpec?: object;
  isCompacted?: boolean;
}

/** A server as `/druid/v2/candidates` names it. */
export interface FakeLocation {
  readonly host: string;
  readonly hostAndTlsPort?: string;
  readonly type: string;
}

interface Pinned {
  readonly itvl: string;
  readonly ver: string;
  readonly part: number;
}

interface Query {
  readonly queryType: string;
  readonly intervals: { readonly segments: readonly Pinned[] };
  readonly columns: readonly string[];
  readonly offset?: number;
  readonly limit?: number;
  readonly batchSize?: number;
  readonly virtualColumns?: readonly { readonly name: string; readonly expression: string }[];
  readonly filter?: FakeFilter;
  readonly aggregations?: readonly { readonly type: string; readonly filter?: FakeFilter }[];
}

interface FakeFilter {
  readonly type: string;
  readonly column?: string;
  readonly matchValue?: unknown;
  readonly intervals?: readonly string[];
  readonly fields?: readonly FakeFilter[];
  readonly field?: FakeFilter;
}

/** How one native query should go wrong. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly errorClass?: string }
  | { readonly kind: 'truncate'; readonly afterRows: number };

/**
 * As much of Druid as the source uses, with the behaviour seen on a real server: a pinned segment that is not there is
 * left out and the answer is 200.
 */
export class FakeDruid {
  readonly dataSource = 'edits';
  readonly segments: FakeSegment[] = [];
  readonly columns: Record<string, string> = {};
  /** Scans and counts received, in order. */
  readonly queries: Query[] = [];
  /** Called before each scan or count is answered; may return a fault. */
  onQuery: ((query: Query) => Fault | undefined) | undefined;
  /** Called when the published segments are listed. */
  onListing: (() => void) | undefined;
  /** Whether it plans a SELECT of the datasource's columns. */
  plansStatements = true;
  /** Called when it is asked where a segment is. */
  onLookUp: (() => void) | undefined;
  /** Called with the segments that rows are asked for by `segmentMetadata`. */
  onSegmentMetadata: ((pinned: readonly Pinned[]) => void) | undefined;
  rowsSent = 0;
  /** What virtual columns yield, by their expression. */
  readonly expressions: Record<string, (row: FakeRow) => unknown> = {};
  /** What `/druid/v2/candidates` says of a segment: servers of `dataServers` that were told to have it, until changed. */
  locationsOf: (segment: FakeSegment) => readonly FakeLocation[] = (segment) =>
    this.dataServers
      .filter(({ segments }) => segments.some(({ id }) => id === segment.id))
      .map(({ host }) => ({ host, type: 'historical' }));
  readonly dataServers: FakeDruid[] = [];
  /** Whether the response context names segments that are not there, as data servers do and Brokers do not. */
  reportsMissing = false;
  /** Whether `/druid/v2/candidates` is answered. */
  tellsLocations = true;
  /** How the Coordinator answers when it is asked for the segments; else there is only a Broker, which answers 404. */
  coordinator: 'tells' | 'tells nothing' | 'tells nonsense' | 'refuses' | 'hangs up' | undefined;
  /** Called when the Coordinator is asked. */
  onCoordinator: (() => void) | undefined;
  /** Headers of the native queries, by number. */
  readonly authorizations: (string | undefined)[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => void this.handle(request, response));
  }

  static async start(columns: Record<string, string>): Promise<FakeDruid> {
    const druid = new FakeDruid();
    Object.assign(druid.columns, columns);
    druid.server.listen(0, '127.0.0.1');
    await once(druid.server, 'listening');
    return druid;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get host(): string {
    return new URL(this.url).host;
  }

  get scans(): Query[] {
    return this.queries.filter((query) => query.queryType === 'scan');
  }

  async stop(): Promise<void> {
    await Promise.all(this.dataServers.map((server) => server.stop()));
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Adds a day's segment, appended to its version unless `extra` says otherwise. */
  addSegment(day: number, rows: FakeRow[], extra: Partial<FakeSegment> = {}): FakeSegment {
    const start = new Date(Date.UTC(2024, 0, day)).toISOString();
    const end = new Date(Date.UTC(2024, 0, day + 1)).toISOString();
    const version = extra.version ?? '2024-06-01T00:00:00.000Z';
    const interval = `${extra.start ?? start}_${extra.end ?? end}`;
    const siblings = this.segments.filter((s) => s.start === (extra.start ?? start) && s.version === version);
    const partition = extra.partition ?? siblings.length;
    const id = `${this.dataSource}_${interval}_${version}${partition === 0 ? '' : `_${partition}`}`;
    const segment: FakeSegment = { id, start, end, version, partition, rows, ...extra };
    this.segments.push(segment);
    return segment;
  }

  /** Starts a data server that holds these segments, with the same rows. */
  async addDataServer(segments: readonly FakeSegment[] = this.segments): Promise<FakeDruid> {
    const server = await FakeDruid.start(this.columns);
    server.reportsMissing = true;
    server.segments.push(...segments.map((segment) => ({ ...segment })));
    this.dataServers.push(server);
    return server;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'DELETE') {
      response.writeHead(202).end();
      return;
    }
    if (request.method === 'GET') {
      this.published(request.url ?? '', response);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      query: string;
      parameters?: { value: unknown }[];
    };
    if (request.url?.startsWith('/druid/v2/candidates') === true) {
      this.candidates(body as unknown as { readonly intervals: readonly string[] }, response);
      return;
    }
    if (request.url !== '/druid/v2/sql') this.authorizations.push(request.headers.authorization);
    if (request.url === '/druid/v2/sql')
      this.sql(
        body.query,
        (body.parameters ?? []).map((p) => p.value),
        response,
      );
    else await this.native(body as unknown as Query, response);
  }

  private published(url: string, response: ServerResponse): void {
    const isAsked = url.startsWith(`/druid/coordinator/v1/metadata/segments?datasources=${this.dataSource}&`);
    if (!isAsked || this.coordinator === undefined) {
      response.writeHead(404).end();
      return;
    }
    this.onCoordinator?.();
    if (this.coordinator === 'hangs up') {
      response.destroy();
      return;
    }
    const segments = this.segments.filter(({ isPublished = true }) => isPublished).map(metadataOf);
    const answers = {
      tells: JSON.stringify(segments),
      'tells nothing': '[]',
      'tells nonsense': JSON.stringify(segments.map((segment) => ({ ...segment, identifier: 'other' }))),
      refuses: '{"error":"Unauthorized"}',
    };
    response.writeHead(this.coordinator === 'refuses' ? 403 : 200, { 'content-type': 'application/json' });
    response.end(answers[this.coordinator]);
  }

  private candidates(
    { intervals }: { readonly intervals: readonly string[] },
    response: ServerResponse,
  ): void {
    response.writeHead(this.tellsLocations ? 200 : 501, { 'content-type': 'application/json' });
    if (!this.tellsLocations) {
      response.end(JSON.stringify({ error: 'Unknown', errorMessage: 'not here', category: 'UNSUPPORTED' }));
      return;
    }
    const found = this.segments.filter(
      (segment) => !segment.isOvershadowed && intervals.some((interval) => meets(segment, interval)),
    );
    const answer = found.map((segment) => ({
      interval: `${segment.start}/${segment.end}`,
      version: segment.version,
      partitionNumber: segment.partition,
      size: 1000,
      locations: this.locationsOf(segment),
    }));
    response.end(JSON.stringify(answer));
  }

  private sql(query: string, parameters: unknown[], response: ServerResponse): void {
    if (query.endsWith(' LIMIT 0')) {
      this.plan(query, response);
      return;
    }
    const names = query.includes('INFORMATION_SCHEMA')
      ? ['COLUMN_NAME', 'DATA_TYPE']
      : query.includes('shard_spec')
        ? listColumns
        : ['num_rows', 'is_published', 'is_available', 'is_realtime'];
    if (names === listColumns) this.onListing?.();
    else if (parameters.length > 1) this.onLookUp?.();
    const rows: unknown[][] = [];
    if (parameters[0] === this.dataSource) {
      if (query.includes('INFORMATION_SCHEMA')) {
        if (this.segments.length > 0) rows.push(...Object.entries(this.columns));
      } else {
        for (const segment of this.segments) {
          const row = sysRow(segment);
          const isListed = row['is_published'] === 1 || row['is_available'] === 1;
          if (query.includes('is_published = 1') ? row['is_published'] === 0 : !isListed) continue;
          if (parameters.length > 1 && parameters[1] !== segment.id) continue;
          rows.push(names.map((name) => row[name]));
        }
      }
    }
    const types = names.map(() => 'STRING');
    const lines = [names, types, types, ...rows].map((line) => JSON.stringify(line));
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${lines.join('\n')}\n\n`);
  }

  /** A statement for columns without rows. */
  private plan(query: string, response: ServerResponse): void {
    const names = [...query.matchAll(/"([^"]*)"/g)].map(([, name]) => name ?? '');
    const isThere = names.pop() === this.dataSource && this.segments.length > 0;
    if (!this.plansStatements || !isThere || names.some((name) => !(name in this.columns))) {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: 'Plan validation failed', errorMessage: 'not found' }));
      return;
    }
    const lines = [names, names.map(() => 'STRING'), names.map((name) => this.columns[name])];
    const text = lines.map((line) => JSON.stringify(line)).join('\n');
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${text}\n\n`);
  }

  private segmentMetadata(query: Query, response: ServerResponse): void {
    this.onSegmentMetadata?.(query.intervals.segments);
    const analyses = query.intervals.segments.flatMap((pinned) => {
      const segment = this.segmentOf(pinned);
      if (segment === undefined) return [];
      return { id: segment.id, columns: {}, size: 0, numRows: segment.numRows ?? segment.rows.length };
    });
    response.writeHead(200).end(JSON.stringify(analyses));
  }

  private segmentOf(pinned: Pinned | undefined): FakeSegment | undefined {
    return this.segments.find(
      (s) =>
        (s.isAvailable ?? true) &&
        s.version === pinned?.ver &&
        s.partition === pinned.part &&
        covers(s, pinned.itvl),
    );
  }

  private async native(query: Query, response: ServerResponse): Promise<void> {
    if (query.queryType === 'segmentMetadata') {
      this.segmentMetadata(query, response);
      return;
    }
    this.queries.push(query);
    const fault = this.onQuery?.(query);
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          error: 'Unknown exception',
          errorMessage: 'scripted',
          category: 'UNCATEGORIZED',
          errorClass: fault.errorClass,
        }),
      );
      return;
    }
    const [pinned] = query.intervals.segments;
    const segment = this.segmentOf(pinned);
    const inside =
      segment === undefined ? [] : segment.rows.filter((row) => isInside(row, pinned?.itvl ?? ''));
    const virtual = query.virtualColumns ?? [];
    const rows = inside.map((row) => ({
      ...row,
      ...Object.fromEntries(
        virtual.map(({ name, expression }) => [name, this.expressions[expression]?.(row) ?? null]),
      ),
    }));
    if (query.queryType === 'timeseries') {
      const matching = query.aggregations?.[1]?.filter;
      const result = {
        total: rows.length,
        matching: matching ? rows.filter((row) => accepts(matching, row)).length : rows.length,
      };
      response.writeHead(200).end(JSON.stringify([{ timestamp: segment?.start ?? '', result }]));
      return;
    }
    const { filter } = query;
    const selected = rows
      .filter((row) => filter === undefined || accepts(filter, row))
      .slice(query.offset ?? 0)
      .slice(0, query.limit);
    const missing = segment === undefined && this.reportsMissing ? [pinned] : [];
    const context = JSON.stringify(missing.length > 0 ? { missingSegments: missing } : {});
    await this.sendScan(query, segment?.id ?? '', selected, response, context, fault?.afterRows);
  }

  private async sendScan(
    query: Query,
    segmentId: string,
    rows: readonly FakeRow[],
    response: ServerResponse,
    context: string,
    breakAfter: number | undefined,
  ): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/json', 'x-druid-response-context': context });
    response.setMaxListeners(0);
    response.write('[');
    const size = query.batchSize ?? 20_480;
    const end = Math.min(rows.length, breakAfter ?? rows.length);
    for (let at = 0; at < end; at += size) {
      const batch = rows.slice(at, Math.min(end, at + size));
      this.rowsSent += batch.length;
      const events = batch.map((row) => `[${query.columns.map((column) => jsonOf(row[column])).join(',')}]`);
      const text = `${at === 0 ? '' : ','}{"segmentId":"${segmentId}","columns":${JSON.stringify(query.columns)},"events":[${events.join(',')}]}`;
      if (!response.write(text)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
      if (response.destroyed) return;
    }
    response.end(breakAfter === undefined ? ']' : '');
  }
}

const listColumns = [
  'segment_id',
  'start',
  'end',
  'version',
  'partition_num',
  'num_rows',
  'size',
  'is_available',
  'is_realtime',
  'is_overshadowed',
  'shard_spec',
  'is_compacted',
];

function sysRow(segment: FakeSegment): Record<string, unknown> {
  const flag = (value: boolean | undefined, otherwise: boolean) => ((value ?? otherwise) ? 1 : 0);
  const isAvailable = flag(segment.isAvailable, true);
  return {
    segment_id: segment.id,
    start: segment.start,
    end: segment.end,
    version: segment.version,
    partition_num: segment.partition,
    num_rows: isAvailable === 1 ? (segment.staleRows ?? segment.numRows ?? segment.rows.length) : 0,
    size: segment.size ?? 1000 + segment.rows.length,
    is_published: flag(segment.isPublished, true),
    is_available: isAvailable,
    is_realtime: flag(segment.isRealtime, false),
    is_overshadowed: flag(segment.isOvershadowed, false),
    shard_spec: JSON.stringify(
      segment.shardSpec ?? { type: 'numbered', partitionNum: segment.partition, partitions: 0 },
    ),
    is_compacted: flag(segment.isCompacted, false),
  };
}

/** As the Coordinator describes it. */
function metadataOf(segment: FakeSegment): Record<string, unknown> {
  const row = sysRow(segment);
  return {
    dataSource: 'edits',
    identifier: segment.id,
    interval: `${segment.start}/${segment.end}`,
    version: segment.version,
    loadSpec: {},
    dimensions: '',
    metrics: '',
    shardSpec: JSON.parse(String(row['shard_spec'])) as unknown,
    lastCompactionState: segment.isCompacted === true ? {} : null,
    size: row['size'],
    overshadowed: segment.isOvershadowed ?? false,
    replicationFactor: null,
  };
}

function covers(segment: FakeSegment, interval: string): boolean {
  const [start = '', end = ''] = interval.split('/');
  return Date.parse(segment.start) <= Date.parse(start) && Date.parse(end) <= Date.parse(segment.end);
}

/** `interval` may be all of time, as Druid writes it. */
function meets(segment: FakeSegment, interval: string): boolean {
  const [start, end] = interval.split('/').map((text) => Date.parse(text)) as [number, number];
  return !(end <= Date.parse(segment.start) || Date.parse(segment.end) <= start); // NaN is beyond them all
}

function isInside(row: FakeRow, interval: string): boolean {
  const [start = '', end = ''] = interval.split('/');
  const time = row['__time'] as number;
  return Date.parse(start) <= time && time < Date.parse(end);
}

function accepts(filter: FakeFilter, row: FakeRow): boolean {
  if (filter.type === 'and') return (filter.fields ?? []).every((field) => accepts(field, row));
  if (filter.type === 'interval') return (filter.intervals ?? []).some((interval) => isInside(row, interval));
  if (filter.type === 'not') return !accepts(filter.field as FakeFilter, row);
  if (filter.type === 'equals') return row[filter.column ?? ''] === filter.matchValue;
  throw new Error(`The fake has no filter '${filter.type}'`);
}

function jsonOf(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  return Array.isArray(value)
    ? `[${value.map(jsonOf).join(',')}]`
    : (JSON.stringify(value ?? null) as string);
}
