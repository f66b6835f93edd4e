/**
 * What the demo has to find, computed over the Parquet file by DuckDB's SQL: nothing of it shares code with the engine.
 *
 * The order of the replay is date + delay, then the row in the file. A flight's watermark is the newest date of the valid
 * flights before it, minus two hours and one millisecond; a window of time is closed for it if the watermark has reached
 * the window's last millisecond.
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { FLIGHTS_FILE } from '../../src/flights-file.js';

export type Row = readonly (string | number)[];

export interface Expected {
  readonly invalid: Readonly<Record<string, number>>;
  readonly late: number;
  readonly flights: { readonly rows: number; readonly sumDelay: number; readonly sumDistance: number };
  /** hour (epoch ms), origin, flights, mean delay, maximum delay, late share */
  readonly airportDelays: readonly Row[];
  /** window start (epoch ms), origin, flights, mean delay */
  readonly alerts: readonly Row[];
  /** day (epoch ms), origin, rank, destination, flights, on-time share */
  readonly recommendations: readonly Row[];
  readonly worstAirports: readonly {
    readonly origin: string;
    readonly flights: number;
    readonly meanDelay: number;
  }[];
}

export async function computeExpected(rows: number, corrupt = 0): Promise<Expected> {
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  const query = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson() as Row[];
  try {
    await connection.run(`
      CREATE TABLE raw AS
      SELECT file_row_number AS row, epoch_ms(date) AS time, delay, distance, origin, destination,
        CASE WHEN (file_row_number * 2654435761) % 4294967296 < ${corrupt} * 4294967296 THEN
          CASE file_row_number % 5 WHEN 0 THEN 'missing_timestamp' WHEN 1 THEN 'delay_not_a_number'
            WHEN 2 THEN 'distance_not_positive' WHEN 3 THEN 'missing_origin' ELSE 'unknown_airport' END
        END AS reason
      FROM read_parquet('${FLIGHTS_FILE}', file_row_number = true) WHERE file_row_number < ${rows};
      CREATE TABLE flights AS
      SELECT *, coalesce(max(time) OVER (
          ORDER BY time + delay * 60000, row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) - 7200001, -9e15) AS watermark
      FROM raw WHERE reason IS NULL;
      CREATE TABLE hours AS
      SELECT time - time % 3600000 AS hour, * FROM flights WHERE time - time % 3600000 + 3599999 > watermark;
    `);
    const reasons = await query(
      'SELECT reason, count(*)::DOUBLE FROM raw WHERE reason IS NOT NULL GROUP BY reason ORDER BY reason',
    );
    const [[late]] = (await query(
      'SELECT count(*)::DOUBLE FROM flights WHERE time - time % 3600000 + 3599999 <= watermark',
    )) as [[number]];
    const [[count, sumDelay, sumDistance]] = (await query(
      'SELECT count(*)::DOUBLE, coalesce(sum(delay), 0)::DOUBLE, coalesce(sum(distance), 0)::DOUBLE FROM flights',
    )) as [[number, number, number]];
    const worst = await query(`
      SELECT origin, count(*)::DOUBLE, sum(delay)::DOUBLE / count(*) AS mean FROM hours GROUP BY origin
      HAVING count(*) >= (SELECT count(*) FROM hours) / 1000.0 ORDER BY mean DESC, origin LIMIT 10`);
    return {
      invalid: Object.fromEntries(reasons) as Record<string, number>,
      late,
      flights: { rows: count, sumDelay, sumDistance },
      airportDelays: await query(`
        SELECT hour::DOUBLE, origin, count(*)::DOUBLE, sum(delay)::DOUBLE / count(*), max(delay)::DOUBLE,
          count(*) FILTER (delay > 15)::DOUBLE / count(*)
        FROM hours GROUP BY hour, origin ORDER BY hour, origin`),
      alerts: await query(`
        SELECT start::DOUBLE, origin, count(*)::DOUBLE, sum(delay)::DOUBLE / count(*)
        FROM (SELECT *, time - time % 3600000 - back * 3600000 AS start FROM flights, range(3) AS r(back))
        WHERE start + 3 * 3600000 - 1 > watermark
        GROUP BY start, origin HAVING count(*) >= 20 AND sum(delay)::DOUBLE / count(*) > 45 ORDER BY start, origin`),
      recommendations: await query(`
        SELECT day::DOUBLE, origin, rank::DOUBLE, destination, flights::DOUBLE, share FROM (
          SELECT *, row_number() OVER (PARTITION BY day, origin ORDER BY share DESC, flights DESC, destination) AS rank
          FROM (SELECT time - time % 86400000 AS day, origin, destination, count(*) AS flights,
              count(*) FILTER (delay <= 15)::DOUBLE / count(*) AS share
            FROM flights WHERE time - time % 86400000 + 86399999 > watermark
            GROUP BY ALL HAVING count(*) >= 10)
        ) WHERE rank <= 3 ORDER BY day, origin, rank`),
      worstAirports: worst.map(([origin, flights, meanDelay]) => ({
        origin: String(origin),
        flights: Number(flights),
        meanDelay: Number(meanDelay),
      })),
    };
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}

/** The demo's figures as they should be. */
export function expectedFigures(rows: number, expected: Expected) {
  const { invalid, late, flights, airportDelays, alerts, recommendations, worstAirports } = expected;
  return {
    rowsIn: rows,
    invalid,
    late,
    datasources: {
      flights,
      airport_delays: { rows: airportDelays.length, sumFlights: flights.rows - late },
      alerts: { rows: alerts.length },
      recommendations: { rows: recommendations.length },
    },
    worstAirports,
  };
}
