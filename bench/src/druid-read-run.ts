/**
 * Reads the table once, in a process that does nothing else: `node druid-read-run.js <job as JSON>`.
 * Prints a {@link ReadOutcome}.
 */
import { openReader, type ReadJob } from './druid-read/readers.js';
import type { ReadOutcome } from './druid-read/report.js';
import { peakRssMb } from './druid-read/peak-rss.js';

const job = JSON.parse(process.argv[2] ?? '') as ReadJob;
const read = await openReader(job);
const cpuBefore = process.cpuUsage();
const started = performance.now();
const tally = await read();
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const outcome: ReadOutcome = { tally, seconds, cpuSeconds: (user + system) / 1e6, peakRssMb: peakRssMb() };
console.log(JSON.stringify(outcome));
