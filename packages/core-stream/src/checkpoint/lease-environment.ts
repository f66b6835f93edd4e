import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Cancel } from '../time/clock.js';

/** A process on some host. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Tells it from a later process that is given the same number; `undefined` where the system does not say. */
  readonly processStart: string | undefined;
}

/** What a lease needs to know of the world; a test has one of its own. */
export interface LeaseEnvironment {
  self(): Promise<ProcessIdentity>;
  /** Of a process on this host; `undefined` where it cannot be told. */
  isAlive(process: ProcessIdentity): Promise<boolean | undefined>;
  /** Epoch milliseconds. */
  now(): number;
  /** Does not keep the process alive. */
  every(intervalMs: number, callback: () => void): Cancel;
}

/** This process. */
export const processEnvironment: LeaseEnvironment = {
  async self() {
    return { host: hostname(), pid: process.pid, processStart: (await statOf(process.pid))?.start };
  },

  async isAlive({ pid, processStart }) {
    try {
      process.kill(pid, 0);
    } catch (error) {
      // EPERM: it is there, and another user's.
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
    }
    const stat = await statOf(pid);
    if (stat?.hasEnded === true) return false;
    if (stat === undefined || processStart === undefined) return undefined;
    return stat.start === processStart;
  },

  now: () => Date.now(),

  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

interface ProcessStat {
  /** When it began, in clock ticks since the machine's start, and which start that was. */
  readonly start: string;
  /** It was killed or has exited, and its parent has not asked for the outcome yet: it still has its number, and does nothing. */
  readonly hasEnded: boolean;
}

/** Linux only. */
async function statOf(pid: number): Promise<ProcessStat | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // proc(5): the name of the program, which may hold anything, is in parentheses before field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, threads, ticks] = [fields[0], fields[17], fields[19]];
    // While threads are left, one of them may be in the middle of a write.
    return {
      start: `${boot.trim()}/${ticks}`,
      hasEnded: state === 'X' || (state === 'Z' && Number(threads) <= 1),
    };
  } catch {
    return undefined; // no such file system, or no such process
  }
}
