import type { DruidClient } from '@millrace/druid-client';
import type { Expected, Row } from './expected.js';

/** The demo's result tables as Druid has them, in the form of {@link Expected}. */
export async function readTables(
  druid: DruidClient,
  prefix = '',
): Promise<Pick<Expected, 'airportDelays' | 'alerts' | 'recommendations'>> {
  const read = async (table: string, columns: string, keys: number): Promise<Row[]> => {
    const rows = (await druid.sql.query(
      `SELECT TIMESTAMP_TO_MILLIS(__time), ${columns} FROM "${prefix}${table}"`,
      {
        rowFormat: 'array',
      },
    )) as unknown as Row[];
    return rows.sort((a, b) => compareRows(a, b, keys)); // Druid orders a scan by time only
  };
  return {
    airportDelays: await read(
      'airport_delays',
      '"origin", "flights", "meanDelay", "maxDelay", "lateShare"',
      2,
    ),
    alerts: await read('alerts', '"origin", "flights", "meanDelay"', 2),
    recommendations: await read(
      'recommendations',
      '"origin", "rank", "destination", "flights", "onTimeShare"',
      3,
    ),
  };
}

function compareRows(a: Row, b: Row, keys: number): number {
  for (let i = 0; i < keys; i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  }
  return 0;
}
