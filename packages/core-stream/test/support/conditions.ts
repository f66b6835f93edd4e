import type { JobClient, JobExecutionResult } from '../../src/index.js';
import type { ManualClock } from './manual-clock.js';

/** One turn of the event loop: everything that is ready runs. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets the event loop run until `condition` holds; `each` is called every turn. Gives up after very many turns. */
export async function until(condition: () => boolean, each: () => void = () => undefined): Promise<void> {
  for (let turns = 0; turns < 20_000; turns++) {
    if (condition()) return;
    each();
    await turn();
  }
  throw new Error(`the condition never held: ${condition.toString()}`);
}

/** Some turns, to show that something does not happen. */
export async function quiet(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

/** Runs a job to its end under a manual clock that moves on by `stepMs` every turn. */
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

/** A promise that the test settles. */
export interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
  readonly fail: (error: Error) => void;
}

export function createGate(): Gate {
  let open: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  opened.catch(() => undefined);
  return { opened, open, fail };
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`rejected with ${String(error)}, which is no error`, { cause: error });
  }
  throw new Error('did not fail');
}
