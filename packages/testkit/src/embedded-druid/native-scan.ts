/** The `scan` query: rows in batches, one batch object per segment and `batchSize` rows. */

import type { AnswerStream } from './answer.js';
import { type Catalog, rowsSql, type Slice } from './catalog.js';
import { notSupported, unreadableRequest } from './druid-error.js';
import { type NativeQuery, refuseQuery } from './native-query.js';
import type { RunningQueries } from './running-queries.js';
import { jsonOutput, type ScanColumn, type ScanOutput, smileOutput } from './scan-output.js';
import { SMILE_TYPE } from './smile-bytes.js';
import { segmentId } from './timeline.js';

const KIND = 'scan.ScanQuery';
/** Druid's default rows per batch. */
const BATCH_SIZE = 20_480;

interface ScanPlan {
  columns: (ScanColumn & { sql: string })[];
  compacted: boolean;
  batchSize: number;
  limit: number | undefined;
  offset: number;
  order: 'none' | 'ascending' | 'descending';
}

export function planScan(query: NativeQuery): ScanPlan {
  const { body, source, find } = query;
  const format = String(body['resultFormat'] ?? 'list');
  if (format === 'valueVector') throw notSupported('resultFormat [valueVector]');
  if (format !== 'list' && format !== 'compactedList') {
    throw unreadableRequest(
      `Cannot construct instance of \`org.apache.druid.query.scan.ScanQuery$ResultFormat\`, problem: Scan query result format [${format}] is not supported.`,
      'com.fasterxml.jackson.databind.exc.ValueInstantiationException',
    );
  }
  const limit = body['limit'] === undefined || body['limit'] === null ? undefined : Number(body['limit']);
  if (limit !== undefined && !(limit > 0)) throw refuseQuery(KIND, 'limit must be greater than 0');
  const wanted = (body['columns'] as string[] | undefined) ?? [];
  const names = wanted.length > 0 ? wanted : ['__time', ...(source?.columns ?? []).map(({ name }) => name)];
  const columns = names.map((name) => {
    const column = find(name);
    return { name, type: column?.type, sql: column?.sql ?? 'CAST(NULL AS VARCHAR)' };
  });
  if (body['orderBy'] && (body['orderBy'] as unknown[]).length > 0)
    throw notSupported('orderBy in a scan query (use order)');
  const order = String(body['order'] ?? 'none').toLowerCase() as ScanPlan['order'];
  if (order !== 'none' && !names.includes('__time')) {
    throw refuseQuery(KIND, 'The __time column must be selected if the results are time-ordered.');
  }
  return {
    columns,
    compacted: format === 'compactedList',
    batchSize: Number(body['batchSize'] ?? BATCH_SIZE),
    limit,
    offset: Number(body['offset'] ?? 0),
    order,
  };
}

/** Writes the answer of a scan query. */
export async function answerScan(
  query: NativeQuery,
  {
    catalog,
    queries,
    run,
    isSmile,
  }: {
    catalog: Catalog;
    queries: RunningQueries;
    run: { id: string; timeoutMs: number | undefined };
    isSmile: boolean;
  },
  answer: AnswerStream,
): Promise<void> {
  const plan = planScan(query);
  const output = (isSmile ? smileOutput : jsonOutput)(plan.columns, plan.compacted);
  if (isSmile) answer.header('Content-Type', SMILE_TYPE);
  const state: ScanState = { started: false, left: plan.limit ?? Infinity, skip: plan.offset };
  // One statement per group of segments: rows come out segment by segment, in Druid's order, and stop at the limit.
  for (const sql of statements(query, catalog, plan)) {
    if (state.left <= 0) break;
    const limited = `${sql} LIMIT ${state.left === Infinity ? 'ALL' : state.left + state.skip}`.replace(
      ' LIMIT ALL',
      '',
    );
    await queries.run({ ...run, sql: limited }, async (chunks) => {
      const batches = new BatchWriter(query, plan, output, answer, state);
      for await (const chunk of chunks) await batches.add(chunk);
      await batches.flush();
    });
  }
  await answer.write(output.end(state.started));
}

/** Segments read by one statement; a table of many small segments is not worth one statement each. */
const SEGMENTS_PER_STATEMENT = 200;

function* statements(query: NativeQuery, catalog: Catalog, plan: ScanPlan): Generator<string> {
  const list = ['seg', ...plan.columns.map(({ sql }, index) => `${sql} AS o${index}`)].join(', ');
  const statement = (slices: readonly Slice[], order: string): string =>
    `SELECT ${list} FROM (${rowsSql(catalog, slices, query.source?.columns ?? [])})${query.where}${order}`;
  const slices = query.slices.filter(({ segment }) => segment.kind !== 'tombstone');
  if (plan.order !== 'none') {
    if (slices.length > 0)
      yield statement(slices, ` ORDER BY t ${plan.order === 'ascending' ? 'ASC' : 'DESC'}`);
    return;
  }
  for (let at = 0; at < slices.length;) {
    const group = consecutive(slices, at);
    at += group.length;
    yield statement(group, '');
  }
}

/** Segments whose rows already stand in this order in one table. */
function consecutive(slices: readonly Slice[], from: number): Slice[] {
  const group: Slice[] = [];
  for (const slice of slices.slice(from, from + SEGMENTS_PER_STATEMENT)) {
    const last = group.at(-1)?.segment;
    if (last && (last.table !== slice.segment.table || last.no >= slice.segment.no)) break;
    group.push(slice);
  }
  return group;
}

interface ScanState {
  started: boolean;
  left: number;
  skip: number;
}

type Chunk = Parameters<ScanOutput['rows']>[0];

/** Cuts chunks into Druid's batches: a new one for every segment and every `batchSize` rows. */
class BatchWriter {
  readonly #answer: AnswerStream;
  readonly #output: ScanOutput;
  readonly #plan: ScanPlan;
  readonly #state: ScanState;
  readonly #ids: Map<number, string>;
  #segment: number | undefined;
  #rows: (string | Uint8Array)[] = [];

  constructor(
    query: NativeQuery,
    plan: ScanPlan,
    output: ScanOutput,
    answer: AnswerStream,
    state: ScanState,
  ) {
    this.#answer = answer;
    this.#output = output;
    this.#plan = plan;
    this.#state = state;
    this.#ids = new Map(query.slices.map(({ segment }) => [segment.no, segmentId(segment)]));
  }

  async add(chunk: Chunk): Promise<void> {
    const segments = chunk.getColumnVector(0);
    const rows = this.#output.rows(chunk);
    const { rowCount } = chunk;
    for (let row = 0; row < rowCount; row += 1) {
      if (this.#state.skip > 0) {
        this.#state.skip -= 1;
        continue;
      }
      if (this.#state.left <= 0) return;
      const segment = Number(segments.getItem(row));
      if (segment !== this.#segment || this.#rows.length >= this.#plan.batchSize) await this.flush();
      this.#segment = segment;
      this.#rows.push(rows[row] as string | Uint8Array);
      this.#state.left -= 1;
    }
  }

  async flush(): Promise<void> {
    if (this.#rows.length === 0) return;
    const id =
      this.#plan.order !== 'none' && this.#plan.limit !== undefined
        ? null
        : (this.#ids.get(this.#segment ?? -1) ?? null);
    const batch = this.#output.batch(id, this.#rows, !this.#state.started);
    this.#state.started = true;
    this.#rows = [];
    await this.#answer.write(batch);
  }
}
