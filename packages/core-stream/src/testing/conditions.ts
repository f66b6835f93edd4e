import type { JobClient } from '../api/job-client.js';
import type { JobExecutionResult } from '../runtime/job-result.js';
import type { ManualClock } from './manual-clock.js';

/**
 * When a condition is taken never to hold: a test that is wrong fails instead of hanging. Where files or sockets are waited
 * for, turns alone are over before a busy machine has answered.
 */
const MAX_TURNS = 20_000;
const MAX_MS = 10_000;

/** One turn of the event loop: everything that is ready runs. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Lets the event loop run until `condition` holds; `each` is called every turn. It is not timed: how long a turn takes does
 * not matter.
 * @throws Error naming the condition, after 20,000 turns and ten seconds
 */
export async function until(condition: () => boolean, each: () => void = () => undefined): Promise<void> {
  const startedMs = performance.now();
  for (let turns = 0; turns < MAX_TURNS || performance.now() - startedMs < MAX_MS; turns++) {
    if (condition()) return;
    each();
    await turn();
  }
  throw new Error(`the condition never held: ${condition.toString()}`);
}

/** Runs a job to its end under a manual clock that moves on by `stepMs` every turn; rejects with what the job fails with. */
export async function drive(job: JobClient, clock: ManualClock, stepMs = 1): Promise<JobExecutionResult> {
  let hasEnded = false;
  const done = () => {
    hasEnded = true;
  };
  job.result.then(done, done);
  await until(
    () => hasEnded,
    () => clock.advance(stepMs),
  );
  return job.result;
}
