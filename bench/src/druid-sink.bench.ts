/**
 * How fast a job writes rows into a real Druid by `DruidSink`, mode by mode, beside a hand-written task that loads the same
 * rows from a local file, and beside mode `kafka` Kafka's own producer. Each writing in a process of its own; Druid must have
 * exactly the rows that were made.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { DruidClient, sql } from '@millrace/druid-client';
import { DruidCluster, KafkaBroker } from '@millrace/testkit';
import { expectedSum, loadTask, writeFlights } from './druid-read/flights.js';
import type { SinkJob } from './druid-sink/sink-job.js';
import {
  SINK_MODES,
  sinkReport,
  type SinkMeasurement,
  type SinkOutcome,
  type SinkReport,
} from './druid-sink/sink-report.js';
import { JavaProducer } from './kafka/java-producer.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    parallelism: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
    mode: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});

function wholeNumber(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new Error(`--${flag} needs whole numbers above 0, got '${text}'`);
}

function knownMode(name: string): SinkJob['mode'] {
  const known = SINK_MODES.find((mode) => mode === name);
  if (known === undefined) throw new Error(`--mode is one of ${SINK_MODES.join(', ')}, got '${name}'`);
  return known;
}

const rows = wholeNumber('rows', values.rows);
const runs = wholeNumber('runs', values.runs);
const parallelisms = values.parallelism.split(',').map((text) => wholeNumber('parallelism', text));
const modes = (values.mode ?? SINK_MODES).map(knownMode);
const sum = expectedSum(rows);
const folder = await mkdtemp(join(tmpdir(), 'millrace-druid-sink-'));
const reports: SinkReport[] = [];
// Full speed is worth the slower start here.
const druid = await DruidCluster.start({ jvmArguments: ['-XX:TieredStopAtLevel=4'] });
const client = new DruidClient({ url: druid.url });
const kafka = modes.includes('kafka') ? await KafkaBroker.start() : undefined;
const javaProducer = kafka && (await JavaProducer.prepare(kafka));
/** What the producer takes its records from; all rows would not fit into its memory. */
const payload = { file: join(folder, 'some-rows') };

/** Throws unless Druid has exactly the rows. */
async function requireRows(dataSource: string): Promise<void> {
  const [found] = await client.sql.query(
    sql`SELECT COUNT(*) AS n, SUM(delay) + SUM(distance) AS total FROM ${sql.identifier(dataSource)}`,
  );
  if (Number(found?.['n']) === rows && Number(found?.['total']) === sum) return;
  throw new Error(`${dataSource} has ${JSON.stringify(found)}; ${rows} rows with a sum of ${sum} were made`);
}

async function write(job: SinkJob): Promise<SinkOutcome> {
  const program = fileURLToPath(new URL('./druid-sink-run.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(job)]);
  await requireRows(job.dataSource);
  return JSON.parse(stdout) as SinkOutcome;
}

/** Seconds of a hand-written task, until its rows are queryable. */
async function loadByHand(dataSource: string): Promise<number> {
  const started = performance.now();
  const { taskId } = await client.tasks.submit(loadTask(folder, dataSource));
  const { statusCode, errorMsg } = await client.tasks.waitFor(taskId, {
    timeoutMs: 3_600_000,
    pollIntervalMs: 250,
  });
  if (statusCode !== 'SUCCESS') throw new Error(`The rows could not be loaded: ${errorMsg}`);
  await client.datasources.waitUntilQueryable(dataSource, { pollIntervalMs: 250 });
  const seconds = (performance.now() - started) / 1000;
  await requireRows(dataSource);
  return seconds;
}

try {
  console.error(`Druid is ready; making ${rows} rows`);
  await writeFlights(join(folder, 'flights.ndjson'), rows);
  await writeFlights(payload.file, Math.min(rows, 10_000));
  await loadByHand('warm_up');
  for (const mode of modes) {
    for (const parallelism of parallelisms) {
      const measurements: SinkMeasurement[] = [];
      for (let run = 0; run < runs; run++) {
        const id = `${mode}_${parallelism}_${run}`;
        const outcome = await write({
          mode,
          parallelism,
          rows,
          dataSource: `sink_${id}`,
          url: druid.url,
          bootstrapServers: kafka?.bootstrapServers ?? '',
        });
        const fileIngestSeconds = await loadByHand(`file_${id}`);
        const javaRowsPerSecond =
          mode === 'kafka'
            ? await javaProducer?.recordsPerSecond({ topic: `java_${id}`, records: rows, payload })
            : undefined;
        measurements.push({ outcome, fileIngestSeconds, javaRowsPerSecond });
      }
      const report = sinkReport(mode, parallelism, rows, measurements);
      reports.push(report);
      if (values.json) console.log(JSON.stringify(report));
    }
  }
} finally {
  client.close();
  await javaProducer?.close();
  await kafka?.stop();
  await druid.stop();
  await rm(folder, { recursive: true, force: true });
}
console.error(`Load average of the last minute: ${loadavg()[0]?.toFixed(1)}`);
if (!values.json) console.table(reports);
