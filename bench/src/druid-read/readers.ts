import { DruidClient, type SqlResultFormat } from '@millrace/druid-client';
import { COLUMNS } from './flights.js';
import { SCAN, SQL, type ReadPath } from './paths.js';
import type { RowTally, Tally } from './report.js';

/** What a reading process is told. */
export interface ReadJob {
  readonly reader: Exclude<ReadPath['reader'], 'pydruid'>;
  readonly format: string;
  /** Of the server. */
  readonly url: string;
  /** The body of the request, for readers that do not make it themselves. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Loads what a reader needs; the function that it returns reads everything once. */
export async function openReader(job: ReadJob): Promise<() => Promise<Tally>> {
  if (job.reader === 'plywood-druid-requester') return openPlywood(job);
  const druid = new DruidClient({ url: job.url });
  return async () => {
    try {
      if (job.reader === 'scan') return await readScan(druid, job.format);
      return await (job.reader === 'sql' ? readSql(druid, job.format) : readBytes(druid, job.format));
    } finally {
      druid.close();
    }
  };
}

async function readScan(druid: DruidClient, format: string): Promise<RowTally> {
  let count = 0;
  let sum = 0;
  for await (const { rows } of druid.native.scan(SCAN, { format: format === 'smile' ? 'smile' : 'json' })) {
    count += rows.length;
    sum += sumOfArrays(rows);
  }
  return { rows: count, sum };
}

async function readSql(druid: DruidClient, format: string): Promise<RowTally> {
  let count = 0;
  let sum = 0;
  if (format === 'array') {
    for await (const rows of druid.sql.stream(SQL, { rowFormat: 'array' })) {
      count += rows.length;
      sum += sumOfArrays(rows);
    }
  } else {
    for await (const rows of druid.sql.stream(SQL)) {
      count += rows.length;
      sum += sumOfObjects(rows);
    }
  }
  return { rows: count, sum };
}

async function readBytes(druid: DruidClient, format: string): Promise<Tally> {
  let bytes = 0;
  const result = druid.sql.streamBytes(SQL, { resultFormat: format as SqlResultFormat });
  for await (const chunk of result) bytes += chunk.length;
  return { bytes };
}

async function openPlywood({ url, body }: ReadJob): Promise<() => Promise<RowTally>> {
  const { druidRequesterFactory } = await import('plywood-druid-requester');
  const request = druidRequesterFactory({ host: new URL(url).host, timeout: 300_000 });
  return async () => {
    let count = 0;
    let sum = 0;
    for await (const row of request({ query: structuredClone(body) })) {
      count++;
      sum += sumOfObjects([row as Readonly<Record<string, unknown>>]);
    }
    return { rows: count, sum };
  };
}

const delay = COLUMNS.indexOf('delay');
const distance = COLUMNS.indexOf('distance');

function sumOfArrays(rows: readonly (readonly unknown[])[]): number {
  let sum = 0;
  for (const row of rows) sum += (row[delay] as number) + (row[distance] as number);
  return sum;
}

function sumOfObjects(rows: readonly Readonly<Record<string, unknown>>[]): number {
  let sum = 0;
  for (const row of rows) sum += (row['delay'] as number) + (row['distance'] as number);
  return sum;
}
