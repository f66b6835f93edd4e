import { setTimeout as wait } from 'node:timers/promises';
import { startDemo, type DemoRun } from './run-demo.js';

export interface KillPlan {
  readonly flags: readonly string[];
  readonly kills: number;
  /** The longest time that a run lives after its job has begun, in milliseconds. */
  readonly maxLifeMs: number;
  readonly seed: number;
}

/** Starts the demo and ends it by `kill -9` at random moments of its job, again and again; the last run may end by itself. */
export async function killUntilDone({
  flags,
  kills,
  maxLifeMs,
  seed,
}: KillPlan): Promise<{ last: DemoRun; killed: number }> {
  const random = seededRandom(seed);
  let killed = 0;
  for (let attempt = 0; attempt < kills; attempt++) {
    const demo = startDemo(...flags);
    await demo.said('the job, in');
    await Promise.race([wait(random() * maxLifeMs), demo.ended]);
    demo.process.kill('SIGKILL');
    if ((await demo.ended).code === null) killed++;
  }
  return { last: await startDemo(...flags).ended, killed };
}

/** Mulberry32: the same numbers from 0 to 1 for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
