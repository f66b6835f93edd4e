/**
 * How fast a table is read out of a real Druid, path by path, beside `curl` to /dev/null for the same request and beside
 * other clients. Each reading in a process of its own; every one must find all rows, and their sum.
 */
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { readByCurl } from './druid-read/curl.js';
import { expectedSum } from './druid-read/flights.js';
import { startLoaded } from './druid-read/loaded-cluster.js';
import { PATHS, SQL, type ReadPath, type Server } from './druid-read/paths.js';
import { missingPydruid, readByPydruid } from './druid-read/pydruid.js';
import type { ReadJob } from './druid-read/readers.js';
import {
  reportOf,
  requireAll,
  type Measurement,
  type ReadOutcome,
  type ReadReport,
} from './druid-read/report.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    path: { type: 'string', multiple: true },
    python: { type: 'string', default: 'python3' },
    json: { type: 'boolean', default: false },
  },
});

function wholeNumber(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new Error(`--${flag} is a whole number above 0, got '${text}'`);
}

function chosenPaths(): readonly ReadPath[] {
  return (values.path ?? PATHS.map(({ name }) => name)).map((name) => {
    const known = PATHS.find((path) => path.name === name);
    if (known === undefined)
      throw new Error(`--path is one of ${PATHS.map((path) => path.name).join(', ')}, got '${name}'`);
    return known;
  });
}

/** Reads the table once, in a process that does nothing else. */
async function read({ reader, format, request }: ReadPath, url: string): Promise<ReadOutcome> {
  if (reader === 'pydruid') return readByPydruid(values.python, url, SQL);
  const program = fileURLToPath(new URL('./druid-read-run.js', import.meta.url));
  const job: ReadJob = { reader, format, url, body: request.body };
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(job)]);
  return JSON.parse(stdout) as ReadOutcome;
}

async function measure(path: ReadPath, urls: Readonly<Record<Server, string>>): Promise<ReadReport> {
  const url = urls[path.server];
  const curl = () => readByCurl(`${url}${path.request.path}`, path.request);
  await curl(); // the server is warm from here on
  const measurements: Measurement[] = [];
  for (let run = 0; run < runs; run++) {
    const curled = await curl();
    const outcome = await read(path, url);
    requireAll(path.name, outcome, { rows, sum, bytes: curled.bytes });
    measurements.push({ curl: curled, outcome });
  }
  return reportOf(path.name, rows, measurements);
}

const rows = wholeNumber('rows', values.rows);
const runs = wholeNumber('runs', values.runs);
const noPydruid = missingPydruid(values.python);
const paths = chosenPaths().filter(({ reader }) => reader !== 'pydruid' || noPydruid === undefined);
if (noPydruid !== undefined) console.error(`SKIPPED: pydruid is not measured, because ${noPydruid}.`);
const sum = expectedSum(rows);
const reports: ReadReport[] = [];
const druid = await startLoaded(rows, (message) => console.error(message));
try {
  for (const path of paths) {
    const report = await measure(path, druid.urls);
    reports.push(report);
    if (values.json) console.log(JSON.stringify(report));
  }
} finally {
  await druid.stop();
}
console.error(`Load average of the last minute: ${loadavg()[0]?.toFixed(1)}`);
if (!values.json) console.table(reports);
