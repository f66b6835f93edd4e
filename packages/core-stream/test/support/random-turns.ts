import { Task } from '../../src/runtime/task.js';
import type { Random } from './random.js';

/**
 * Gives every task a speed of its own while `run` runs: a slow one often has no turn, so that channels before it fill up and
 * tasks are in all kinds of states when a barrier comes.
 */
export async function withRandomTurns<R>(random: Random, run: () => Promise<R>): Promise<R> {
  const { step } = Task.prototype;
  const speeds = new WeakMap<Task, number>();
  Task.prototype.step = function (this: Task): boolean {
    let speed = speeds.get(this);
    if (speed === undefined) speeds.set(this, (speed = random.below(3) === 0 ? 1 : 0.02 + random.next() ** 3));
    // A turn that it has not had counts as work: it will have another one.
    return random.next() < speed ? step.call(this) : true;
  };
  try {
    return await run();
  } finally {
    Task.prototype.step = step;
  }
}
