import type { DruidFigures } from './figures.js';
import type { WorstAirport } from './worst-airports.js';

/** Everything that a run has found out: what `--json` prints. */
export interface DemoReport extends DruidFigures {
  /** Records that the replay has emitted, over all runs on the data directory. */
  readonly rowsIn: number;
  readonly worstAirports: readonly WorstAirport[];
  /** Where this run's time went. `sink…` are sums over all files, which are committed at the same time as others. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** The report for people. */
export function formatReport({
  rowsIn,
  invalid,
  late,
  datasources,
  worstAirports,
  seconds,
}: DemoReport): string {
  const { flights, airport_delays: hours, alerts, recommendations } = datasources;
  const count = (value: number) => value.toLocaleString('en');
  const reasons = Object.entries(invalid).map(([reason, records]) => `${reason} ${count(records)}`);
  const rows = [
    ['records replayed', count(rowsIn)],
    ['dead letters', reasons.length === 0 ? '0' : reasons.join(', ')],
    [
      'flights',
      `${count(flights.rows)} rows, ${count(flights.sumDelay)} minutes of delay, ${count(flights.sumDistance)} miles`,
    ],
    [
      'airport_delays',
      `${count(hours.rows)} rows of ${count(hours.sumFlights)} flights; ${count(late)} came too late for their hour`,
    ],
    ['alerts', `${count(alerts.rows)} rows`],
    ['recommendations', `${count(recommendations.rows)} rows`],
  ];
  const worst = [
    'The worst airports   flights   mean delay in minutes',
    ...worstAirports.map(
      ({ origin, flights: n, meanDelay }) =>
        `  ${origin.padEnd(17)}${count(n).padStart(9)}${meanDelay.toFixed(1).padStart(13)}`,
    ),
  ];
  const times = (isSink: boolean) =>
    Object.entries(seconds)
      .filter(([stage]) => stage.startsWith('sink') === isSink)
      .map(([stage, time]) => `${stage} ${time.toFixed(1)}`)
      .join(', ');
  return [
    '',
    ...rows.map(([name, value]) => `${name!.padEnd(18)}${value}`),
    '',
    ...worst,
    '',
    `Seconds: ${times(false)}`,
    `Added up over all files, which are committed side by side: ${times(true)}`,
    '',
  ].join('\n');
}
