import type { DruidClient } from '@millrace/druid-client';
import type { Expected, Row } from './expected.js';

/** The demo's result tables as Druid has them, in the form of {@link Expected}. */
export async function readTables(
  druid: DruidClient,
  prefix = '',
): Promise<Pick<Expected, 'airportDelays' | 'alerts' | 'recommendations'>> {
  const read = async (table: string, columns: string, order: string): Promise<Row[]> => {
    const rows = await druid.sql.query(
      `SELECT TIMESTAMP_TO_MILLIS(__time), ${columns} FROM "${prefix}${table}" ORDER BY __time, ${order}`,
      { rowFormat: 'array' },
    );
    return rows as unknown as Row[];
  };
  return {
    airportDelays: await read('airport_delays', '"origin", "flights", "meanDelay", "maxDelay", "lateShare"', '"origin"'),
    alerts: await read('alerts', '"origin", "flights", "meanDelay"', '"origin"'),
    recommendations: await read(
      'recommendations',
      '"origin", "rank", "destination", "flights", "onTimeShare"',
      '"origin", "rank"',
    ),
  };
}
