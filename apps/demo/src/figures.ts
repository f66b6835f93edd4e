import type { DruidClient } from '@millrace/druid-client';
import { DemoError } from './failure.js';
import type { DemoSchemas } from './schemas.js';

/** What Druid itself says about the datasources. A datasource that does not exist, because nothing was sent, counts as 0. */
export interface DruidFigures {
  /** Dead letters by reason. */
  readonly invalid: Readonly<Record<string, number>>;
  readonly late: number;
  readonly datasources: {
    readonly flights: { readonly rows: number; readonly sumDelay: number; readonly sumDistance: number };
    readonly airport_delays: { readonly rows: number; readonly sumFlights: number };
    readonly alerts: { readonly rows: number };
    readonly recommendations: { readonly rows: number };
  };
}

export async function queryFigures(druid: DruidClient, schemas: DemoSchemas): Promise<DruidFigures> {
  const existing = new Set(await druid.datasources.list());
  const query = async (select: string, { dataSource }: { readonly dataSource: string }, rest = '') =>
    existing.has(dataSource)
      ? druid.sql.query(`SELECT ${select} FROM "${dataSource}" ${rest}`, { rowFormat: 'array' })
      : [];
  const numbers = async (select: string, schema: { readonly dataSource: string }) => {
    const [row = []] = await query(select, schema);
    return (index: number) => Number(row[index] ?? 0);
  };
  const flights = await numbers('COUNT(*), SUM("delay"), SUM("distance")', schemas.flights);
  const airportDelays = await numbers('COUNT(*), SUM("flights")', schemas.airportDelays);
  const alerts = await numbers('COUNT(*)', schemas.alerts);
  const recommendations = await numbers('COUNT(*)', schemas.recommendations);
  const late = await numbers('COUNT(*)', schemas.lateFlights);
  const reasons = await query(
    '"reason", COUNT(*)',
    schemas.deadLetters,
    'GROUP BY "reason" ORDER BY "reason"',
  );
  return {
    invalid: Object.fromEntries(reasons.map(([reason, count]) => [String(reason), Number(count)])),
    late: late(0),
    datasources: {
      flights: { rows: flights(0), sumDelay: flights(1), sumDistance: flights(2) },
      airport_delays: { rows: airportDelays(0), sumFlights: airportDelays(1) },
      alerts: { rows: alerts(0) },
      recommendations: { rows: recommendations(0) },
    },
  };
}

/**
 * Holds the figures against each other: every record is a flight or a dead letter, every flight in an hour or late.
 * @throws DemoError where they do not add up
 */
export function requireConsistent(rowsIn: number, { invalid, late, datasources }: DruidFigures): void {
  const { flights, airport_delays: hours } = datasources;
  const deadLetters = Object.values(invalid).reduce((sum, count) => sum + count, 0);
  const faults = [
    ...(flights.rows + deadLetters === rowsIn
      ? []
      : [`${flights.rows} flights and ${deadLetters} dead letters of ${rowsIn} records`]),
    ...(hours.sumFlights + late === flights.rows
      ? []
      : [`${hours.sumFlights} flights in hours and ${late} late ones of ${flights.rows} flights`]),
  ];
  if (faults.length === 0) return;
  throw new DemoError(
    `The figures in Druid do not add up: ${faults.join('; ')}. Something else has written to or removed from these ` +
      'datasources, or this is a bug: please report it.',
  );
}
