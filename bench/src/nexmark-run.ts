/** Runs one query in this process and prints what it took; started by `nexmark.bench`, with `RunOptions` as JSON. */
import { checkResult, expectedResult } from './nexmark/expected-result.js';
import { generatorCpuSecondsPerMillion } from './nexmark/generator-cost.js';
import type { QueryReport, RunOptions } from './nexmark/report.js';
import { runLoop } from './nexmark/run-loop.js';
import { runProgram } from './nexmark/run-program.js';
import { SteadyState } from './nexmark/steady-state.js';

const options = JSON.parse(process.argv[2] ?? '') as RunOptions;
const { query, engine, events, seed, parallelism, verify } = options;
const steadyState = new SteadyState(events);
const result =
  engine === 'loop'
    ? runLoop(query, events, seed, steadyState)
    : await runProgram({ ...options, steadyState });
const rates = steadyState.rates();
const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);

const expected = expectedResult(query, events, seed, verify);
if (expected !== undefined)
  checkResult(`${query} (${engine}, ${events} events, seed ${seed})`, result, expected);

const report: QueryReport = {
  query,
  engine,
  parallelism,
  seed,
  events,
  ...result,
  isVerified: expected !== undefined,
  seconds: Number(rates.seconds.toFixed(3)),
  eventsPerSecond: Math.round(rates.eventsPerSecond),
  cpuSecondsPerMillion: Number(rates.cpuSecondsPerMillion.toFixed(4)),
  generatorCpuSecondsPerMillion: Number(generatorCpuSecondsPerMillion().toFixed(4)),
  otherCores: Number(rates.otherCores.toFixed(2)),
  peakRssMb,
};
console.log(JSON.stringify(report));
