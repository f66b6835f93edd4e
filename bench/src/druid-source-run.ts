/**
 * Reads the table in a process that does nothing else: `node druid-source-run.js <job as JSON> <warm-ups>`.
 * Prints a {@link SourceOutcome} of the last time.
 */
import { runSourceJob, type SourceJob } from './druid-source/source-job.js';
import type { SourceOutcome } from './druid-source/source-report.js';
import { peakRssMb } from './druid-read/peak-rss.js';

const job = JSON.parse(process.argv[2] ?? '') as SourceJob;
for (let i = 0; i < Number(process.argv[3]); i++) await runSourceJob(job);
const cpuBefore = process.cpuUsage();
const started = performance.now();
const proof = await runSourceJob(job);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const outcome: SourceOutcome = { proof, seconds, cpuSeconds: (user + system) / 1e6, peakRssMb: peakRssMb() };
console.log(JSON.stringify(outcome));
