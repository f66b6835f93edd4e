/**
 * How fast a job reads a table out of a real Druid by `DruidSource` or `DruidSqlSource`, path by path, beside `curl` that
 * reads the same data over the same path. Each reading in a process of its own; every one must find exactly the rows that were loaded.
 */
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { DruidClient } from '@millrace/druid-client';
import { startLoaded } from './druid-read/loaded-cluster.js';
import { curlAll, curlRequests } from './druid-source/curl-segments.js';
import { expectedProof } from './druid-source/flight-hash.js';
import { SOURCE_PATHS, type SourceJob } from './druid-source/source-job.js';
import {
  requireSame,
  sourceReport,
  type SourceMeasurement,
  type SourceOutcome,
  type SourceReport,
} from './druid-source/source-report.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    parallelism: { type: 'string', default: '1,2' },
    runs: { type: 'string', default: '3' },
    'warm-ups': { type: 'string', default: '10' },
    path: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});

function wholeNumber(flag: string, text: string, least = 1): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(`--${flag} needs whole numbers from ${least} on, got '${text}'`);
}

function knownPath(name: string): SourceJob['path'] {
  const known = SOURCE_PATHS.find((path) => path === name);
  if (known === undefined) throw new Error(`--path is one of ${SOURCE_PATHS.join(', ')}, got '${name}'`);
  return known;
}

async function read(job: SourceJob): Promise<SourceOutcome> {
  const program = fileURLToPath(new URL('./druid-source-run.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    JSON.stringify(job),
    String(warmUps),
  ]);
  return JSON.parse(stdout) as SourceOutcome;
}

const rows = wholeNumber('rows', values.rows);
const runs = wholeNumber('runs', values.runs);
const warmUps = wholeNumber('warm-ups', values['warm-ups'], 0);
const parallelisms = values.parallelism.split(',').map((text) => wholeNumber('parallelism', text));
const paths = (values.path ?? SOURCE_PATHS).map(knownPath);
const expected = expectedProof(rows);
const reports: SourceReport[] = [];
const druid = await startLoaded(rows, (message) => console.error(message));
const client = new DruidClient({ url: druid.url });
try {
  for (const path of paths) {
    const requests = await curlRequests(path, client, druid.urls.broker);
    await curlAll(requests); // the servers are warm from here on
    for (const parallelism of parallelisms) {
      const measurements: SourceMeasurement[] = [];
      for (let run = 0; run < runs; run++) {
        const curlSeconds = await curlAll(requests);
        const outcome = await read({ path, parallelism, url: druid.url, rows });
        requireSame(`${path} with parallelism ${parallelism}`, outcome, expected);
        measurements.push({ curlSeconds, outcome });
      }
      const report = sourceReport(path, parallelism, measurements);
      reports.push(report);
      if (values.json) console.log(JSON.stringify(report));
    }
  }
} finally {
  client.close();
  await druid.stop();
}
console.error(`Load average of the last minute: ${loadavg()[0]?.toFixed(1)}`);
if (!values.json) console.table(reports);
