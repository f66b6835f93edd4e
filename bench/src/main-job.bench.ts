/**
 * The main job, as a whole process: what N rows take on the embedded and on the real Druid, and where the time goes.
 * Both modes must give the same numbers, and account for every row.
 */
import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import { benchOptions } from './options.js';

const outcome = z.object({
  rowsIn: z.number(),
  invalid: z.record(z.string(), z.number()),
  late: z.number(),
  datasources: z.object({
    flights: z.object({ rows: z.number(), sumDelay: z.number(), sumDistance: z.number() }),
    airport_delays: z.object({ rows: z.number(), sumFlights: z.number() }),
    alerts: z.object({ rows: z.number() }),
    recommendations: z.object({ rows: z.number() }),
  }),
  seconds: z.record(z.string(), z.number()),
});
type MainJobOutcome = z.infer<typeof outcome>;

const { size, json } = benchOptions({ size: 200_000, runs: 1 });

function run(druid: 'embedded' | 'real'): MainJobOutcome {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['apps/demo/dist/main.js', '--druid', druid, '--rows', String(size), '--json'],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0)
    throw new Error(`the main job on the ${druid} Druid ended with exit code ${status}: ${stderr}`);
  return outcome.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
}

const results = { embedded: run('embedded'), real: run('real') };
const { seconds: _embedded, ...embedded } = results.embedded;
const { seconds: _real, ...real } = results.real;
if (JSON.stringify(embedded) !== JSON.stringify(real)) {
  throw new Error(`the modes differ: ${JSON.stringify(embedded)} is not ${JSON.stringify(real)}`);
}
const { flights, airport_delays: delays } = embedded.datasources;
if (flights.rows + Object.values(embedded.invalid).reduce((a, b) => a + b, 0) !== embedded.rowsIn) {
  throw new Error(`rows are missing: ${JSON.stringify(embedded)}`);
}
if (delays.sumFlights + embedded.late !== flights.rows)
  throw new Error(`windows are missing: ${JSON.stringify(embedded)}`);

const report = {
  rows: size,
  embedded: results.embedded.seconds,
  real: results.real.seconds,
  results: embedded,
};
if (json) console.log(JSON.stringify(report));
else {
  console.table({ embedded: report.embedded, real: report.real });
  console.log(JSON.stringify(embedded, null, 2));
}
