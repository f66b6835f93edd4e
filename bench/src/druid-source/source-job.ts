import { DruidSource, DruidSqlSource } from '@millrace/connector-source';
import {
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type DataStream,
  type Sink,
} from '@millrace/core-stream';
import { sql } from '@millrace/druid-client';
import { COLUMNS, INTERVAL, TABLE } from '../druid-read/flights.js';
import { FlightHash, type Flight } from './flight-hash.js';
import type { RowProof } from './source-report.js';

export const SOURCE_PATHS = ['direct', 'broker', 'sql'] as const;

/** What a reading process is told. */
export interface SourceJob {
  readonly path: (typeof SOURCE_PATHS)[number];
  readonly parallelism: number;
  /** Of the Router. */
  readonly url: string;
  /** Of the table. */
  readonly rows: number;
}

const DAY_MS = 86_400_000;
// Results of SQL are held in memory one by one.
const ROWS_PER_SQL_RESULT = 20_000;

/** Runs a job that reads the whole table into a sink that counts. */
export async function runSourceJob(job: SourceJob): Promise<RowProof> {
  const hash = new FlightHash();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: job.parallelism });
  flightsOf(job, env).sinkTo(countingSink(hash));
  await env.execute('read flights');
  return hash.proof;
}

function flightsOf(job: SourceJob, env: StreamExecutionEnvironment): DataStream<Flight> {
  const { path, url, rows } = job;
  const watermarks = WatermarkStrategy.forBoundedOutOfOrderness<Flight>(31 * DAY_MS);
  const druid = { url };
  if (path === 'sql') {
    const [start = '', end = ''] = INTERVAL.split('/');
    const wholeMs = Date.parse(end) - Date.parse(start);
    const columns = sql.join(
      COLUMNS.map((name) => sql.identifier(name)),
      sql`, `,
    );
    const source = new DruidSqlSource({
      druid,
      query: ({ condition }) => sql`SELECT ${columns} FROM ${sql.identifier(TABLE)} WHERE ${condition}`,
      interval: { start, end },
      splitMs: Math.max(60_000, Math.floor(wholeMs / Math.ceil(rows / ROWS_PER_SQL_RESULT))),
      columns: {
        __time: 'timestamp not null',
        origin: 'string',
        destination: 'string',
        delay: 'long',
        distance: 'long',
      },
    });
    return env.fromSource(source, watermarks, 'flights');
  }
  const source = new DruidSource({
    druid,
    dataSource: TABLE,
    path,
    columns: {
      __time: 'timestamp',
      origin: 'string',
      destination: 'string',
      delay: 'long',
      distance: 'long',
    },
  });
  return env.fromSource(source, watermarks, 'flights');
}

/** All subtasks run in one thread, so they can share a hash. */
function countingSink(hash: FlightHash): Sink<Flight, never, never> {
  return {
    createWriter: () => ({ write: (row) => hash.add(row), flush: () => undefined, close: () => undefined }),
  };
}
