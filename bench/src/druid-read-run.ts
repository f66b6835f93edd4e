/**
 * Reads the table once, in a process that does nothing else: `node druid-read-run.js <job as JSON>`.
 * Prints a {@link ReadOutcome}.
 */
import { readFileSync } from 'node:fs';
import { openReader, type ReadJob } from './druid-read/readers.js';
import type { ReadOutcome } from './druid-read/report.js';

const job = JSON.parse(process.argv[2] ?? '') as ReadJob;
const read = await openReader(job);
const cpuBefore = process.cpuUsage();
const started = performance.now();
const tally = await read();
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const outcome: ReadOutcome = { tally, seconds, cpuSeconds: (user + system) / 1e6, peakRssMb: peakRssMb() };
console.log(JSON.stringify(outcome));

function peakRssMb(): number {
  // What `resourceUsage` says may include the parent's memory, from before this program was loaded.
  const kib =
    process.platform === 'linux'
      ? Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
      : process.resourceUsage().maxRSS;
  return kib / 1024;
}
