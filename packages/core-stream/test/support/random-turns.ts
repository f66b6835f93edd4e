import { Task } from '../../src/runtime/task.js';
import type { Random } from './random.js';

/** So many turns that every task of a test has had some: a job ends in a round in which none of them has anything to do. */
const FAIR_TURNS = 200;

/**
 * While `run` runs, tasks are of different speeds, and of others after a while: a slow one often has no turn, so that channels
 * before it fill up, and tasks are in all kinds of states when a barrier comes.
 */
export async function withRandomTurns<R>(random: Random, run: () => Promise<R>): Promise<R> {
  const { step } = Task.prototype;
  let speeds = new WeakMap<Task, number>();
  let isFair = true;
  let left = 0;
  Task.prototype.step = function (this: Task): boolean {
    if (left-- <= 0) {
      isFair = !isFair;
      left = isFair ? FAIR_TURNS : random.below(2000);
      speeds = new WeakMap();
    }
    if (isFair) return step.call(this);
    let speed = speeds.get(this);
    if (speed === undefined) speeds.set(this, (speed = random.below(3) === 0 ? 1 : random.next() ** 3));
    // A turn that it has not had counts as work: it will have another one.
    return random.next() < speed ? step.call(this) : true;
  };
  try {
    return await run();
  } finally {
    Task.prototype.step = step;
  }
}
