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
    return { host: hostname(), pid: process.pid, processStart: await startOf(process.pid) };
  },

  async isAlive({ pid, processStart }) {
    try {
      process.kill(pid, 0);
    } catch (error) {
      // EPERM: it is there, and another user's.
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
    }
    const start = await startOf(pid);
    return start === undefined || processStart === undefined ? undefined : start === processStart;
  },

  now: () => Date.now(),

  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** When a process began, in clock ticks since the machine's start, and which start that was. Linux only. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The name of the program, which may hold anything, is in parentheses before; the start is field 22 of proc(5).
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${boot.trim()}/${ticks}`;
  } catch {
    return undefined; // no such file system, or no such process
  }
}
