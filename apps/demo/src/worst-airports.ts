import { StreamExecutionEnvironment, ValueStateDescriptor, WatermarkStrategy } from '@millrace/core-stream';
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
/** Event time gets there when the input has ended. */
const END_OF_INPUT = Number.MAX_SAFE_INTEGER;

interface Sums {
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
  const airports: (Sums & { readonly origin: string })[] = [];
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
  const source = new DruidSource({
    druid,
    dataSource,
    columns: { __time: 'timestamp', origin: 'string', flights: 'long', meanDelay: 'double' },
  });
  env
    .fromSource(source, WatermarkStrategy.noWatermarks(), 'Airport delays')
    .keyBy(({ origin }) => origin ?? '')
    .process<Sums & { readonly origin: string }>((state) => {
      const sums = state.getState(new ValueStateDescriptor<Sums>('sums'));
      return {
        processElement({ flights, meanDelay }, { timers }) {
          const { flights: before, sumDelay } = sums.value() ?? { flights: 0, sumDelay: 0 };
          const count = flights ?? 0;
          // Delays are whole minutes, so rounding undoes the division exactly.
          sums.update({ flights: before + count, sumDelay: sumDelay + Math.round((meanDelay ?? 0) * count) });
          timers.registerEventTimeTimer(END_OF_INPUT);
        },
        onTimer: (_timestamp, { currentKey }, out) => out.collect({ origin: currentKey, ...sums.value()! }),
      };
    })
    .name('Sums per airport')
    .addSink({ emit: (airport) => void airports.push(airport) });
  await env.execute('worst-airports', { signal });
  return rank(airports);
}

function rank(airports: readonly (Sums & { readonly origin: string })[]): readonly WorstAirport[] {
  const all = airports.reduce((sum, { flights }) => sum + flights, 0);
  return airports
    .filter(({ flights }) => flights >= all * MIN_SHARE)
    .map(({ origin, flights, sumDelay }) => ({ origin, flights, meanDelay: sumDelay / flights }))
    .sort((a, b) => b.meanDelay - a.meanDelay || (a.origin < b.origin ? -1 : 1))
    .slice(0, PLACES);
}
