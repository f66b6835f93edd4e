/**
 * Writes the rows once, in a process that does nothing else: `node druid-sink-run.js <job as JSON>`.
 * Prints a {@link SinkOutcome}.
 */
import { runSinkJob, type SinkJob } from './druid-sink/sink-job.js';

console.log(JSON.stringify(await runSinkJob(JSON.parse(process.argv[2] ?? '') as SinkJob)));
