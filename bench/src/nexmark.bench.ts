/**
 * Nexmark: thirteen queries over the same deterministic events, on the engine or as hand-written loops, each in a process
 * of its own. Results are compared by count and hash; Apache Flink's figures on the same events are shown beside.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FLINK_FIGURES, FLINK_GENERATOR } from './nexmark/flink-figures.js';
import { isQuery, QUERIES, type Query } from './nexmark/queries.js';
import { ENGINES, type Engine, type QueryReport, type RunOptions } from './nexmark/report.js';

const { values } = parseArgs({
  options: {
    query: { type: 'string', multiple: true },
    engine: { type: 'string', default: 'millrace' },
    events: { type: 'string', default: '5000000' },
    seed: { type: 'string', default: '0' },
    parallelism: { type: 'string', default: '1' },
    'checkpoint-interval-ms': { type: 'string' },
    verify: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

function wholeNumber(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isInteger(number) && number >= least && number < 2 ** 31) return number;
  throw new Error(`--${flag} is a whole number from ${least}, got '${text}'`);
}

function queriesOf(names: readonly string[] | undefined): readonly Query[] {
  if (names === undefined) return QUERIES;
  return names.map((name) => {
    if (isQuery(name)) return name;
    throw new Error(`--query is one of ${QUERIES.join(', ')}, got '${name}'`);
  });
}

function engineOf(name: string): Engine {
  const engine = ENGINES.find((known) => known === name);
  if (engine === undefined) throw new Error(`--engine is one of ${ENGINES.join(', ')}, got '${name}'`);
  return engine;
}

function run(options: RunOptions): QueryReport {
  const program = fileURLToPath(new URL('./nexmark-run.js', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [program, JSON.stringify(options)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${options.query} ended with exit code ${status}`);
  return JSON.parse(stdout) as QueryReport;
}

const queries = queriesOf(values.query);
const interval = values['checkpoint-interval-ms'];
const options = {
  engine: engineOf(values.engine),
  events: wholeNumber('events', values.events, 1),
  seed: wholeNumber('seed', values.seed, 0),
  parallelism: wholeNumber('parallelism', values.parallelism, 1),
  ...(interval === undefined
    ? {}
    : { checkpointIntervalMs: wholeNumber('checkpoint-interval-ms', interval, 1) }),
  verify: values.verify,
};
if (options.engine === 'loop' && (options.parallelism !== 1 || interval !== undefined))
  throw new Error('a hand-written loop has no parallelism and no checkpoints: leave out both flags');

const failures: string[] = [];
const reports: QueryReport[] = [];
for (const query of queries) {
  try {
    const report = run({ query, ...options });
    reports.push(report);
    if (values.json) console.log(JSON.stringify(report));
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
}
if (!values.json) {
  console.table(
    Object.fromEntries(
      reports.map((report) => {
        const flink = FLINK_FIGURES[report.query];
        return [
          report.query,
          {
            outputs: report.outputs,
            hash: report.isVerified ? `${report.hash} ✓` : report.hash,
            'M events/s': Number((report.eventsPerSecond / 1e6).toFixed(2)),
            'Flink M events/s': flink.eventsPerSecond / 1e6,
            'CPU s / M': Number(report.cpuSecondsPerMillion.toFixed(3)),
            'Flink CPU s / M': flink.cpuSecondsPerMillion,
            'CPU ratio': Number((report.cpuSecondsPerMillion / flink.cpuSecondsPerMillion).toFixed(2)),
            'generator CPU s / M': Number(report.generatorCpuSecondsPerMillion.toFixed(3)),
            'other cores': report.otherCores,
            'peak MB': report.peakRssMb,
          },
        ];
      }),
    ),
  );
  console.log(
    'Flink 2.3.0 at parallelism 1, on another machine of the same kind, where the generator alone took ' +
      `${FLINK_GENERATOR.cpuSecondsPerMillion} CPU s / M (bench/src/nexmark/flink-figures.ts)`,
  );
}
if (failures.length > 0) throw new Error(failures.join('\n'));
