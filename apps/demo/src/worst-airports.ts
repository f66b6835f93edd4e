import { StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { DruidSource } from '@millrace/connector-source';
import type { DruidClient } from '@millrace/druid-client';

export interface WorstAirport {
  readonly origin: string;
  readonly flights: number;
  readonly meanDelay: number;
}

const PLACES = 10;
/** An airport counts if it has at least this share of all flights: three bad flights do not make a bad airport. */
const MIN_SHARE = 1 / 1000;

interface Airport {
  readonly origin: string;
  readonly flights: number;
  readonly sumDelay: number;
}

/** The second job: reads `airport_delays` back from Druid, and adds up the hours of each airport. */
export async function findWorstAirports(options: {
  readonly druid: DruidClient;
  readonly dataSource: string;
  readonly parallelism: number;
  readonly signal: AbortSignal;
}): Promise<readonly WorstAirport[]> {
  const { druid, dataSource, parallelism, signal } = options;
  const airports = new Map<string, Airport>();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
  const hours = new DruidSource({
    druid,
    dataSource,
    columns: { origin: 'string', flights: 'long', meanDelay: 'double' },
  });
  env
    .fromSource(hours, WatermarkStrategy.noWatermarks(), 'Airport delays')
    .map(({ origin, flights, meanDelay }): Airport => {
      const count = flights ?? 0;
      // Delays are whole minutes, so rounding undoes the division exactly.
      return { origin: origin ?? '', flights: count, sumDelay: Math.round((meanDelay ?? 0) * count) };
    })
    .keyBy(({ origin }) => origin)
    .reduce((a, b) => ({
      origin: a.origin,
      flights: a.flights + b.flights,
      sumDelay: a.sumDelay + b.sumDelay,
    }))
    .name('Sums per airport')
    // An airport's last sums are those of all its hours.
    .addSink({ emit: (airport) => void airports.set(airport.origin, airport) });
  await env.execute('worst-airports', { signal });
  return rank([...airports.values()]);
}

function rank(airports: readonly Airport[]): readonly WorstAirport[] {
  const all = airports.reduce((sum, { flights }) => sum + flights, 0);
  return airports
    .filter(({ flights }) => flights >= all * MIN_SHARE)
    .map(({ origin, flights, sumDelay }) => ({ origin, flights, meanDelay: sumDelay / flights }))
    .sort((a, b) => b.meanDelay - a.meanDelay || (a.origin < b.origin ? -1 : 1))
    .slice(0, PLACES);
}
