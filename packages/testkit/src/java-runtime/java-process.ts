/**
 * Role: one JVM that runs a launcher of this package.
 * Boundary: the child process, its pipes and its log; it knows nothing of Druid or Kafka.
 *
 * 1. The JVM never outlives this process: it halts when its standard input ends (ParentWatch.java).
 * 2. Standard error, and with it all logging, goes to the log file; nothing reaches this process's console.
 * 3. A JVM that runs does not by itself keep Node alive; one that is being stopped does until it is gone.
 * 4. `stop` ends with a process that is gone, by force if need be.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { relevantLinesOfFile } from './log-excerpt.js';
import { RealServerError } from './real-server-error.js';

/** Exit codes of ParentWatch.java. */
const PORT_TAKEN = 71;

export interface LauncherEvent {
  readonly name: string;
  readonly uptimeMs: number;
  readonly detail: string;
}

export interface JavaExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface JavaProcessOptions {
  /** For messages: "Druid 33.0.0". */
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Appended to; its folder is created. */
  readonly logFile: string;
  readonly onEvent?: (event: LauncherEvent) => void;
}

export class JavaProcess {
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the process is gone; never rejects. */
  readonly exited: Promise<JavaExit>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #logStart: number;
  #exit: JavaExit | undefined;

  /** @throws RealServerError `tool-missing` when `java` cannot be run. */
  static async spawn(options: JavaProcessOptions): Promise<JavaProcess> {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, 'a');
    try {
      const child = spawn('java', options.args, { cwd: options.cwd, stdio: ['pipe', 'pipe', log] });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (cause) =>
          reject(
            new RealServerError('tool-missing', `\`java\` could not be run: ${cause.message}`, { cause }),
          ),
        );
      });
      return new JavaProcess(child, options);
    } finally {
      closeSync(log);
    }
  }

  private constructor(child: ChildProcess, options: JavaProcessOptions) {
    this.#child = child;
    this.#name = options.name;
    this.pid = child.pid ?? 0;
    this.logFile = options.logFile;
    this.#logStart = statSync(options.logFile).size;
    this.exited = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => {
        this.#exit = { exitCode, signal };
        resolve(this.#exit);
      });
    });
    child.stdin?.on('error', () => undefined); // a write to a dead JVM; `exited` tells
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = parseLauncherEvent(line);
        if (event) options.onEvent?.(event);
      });
    }
  }

  get exit(): JavaExit | undefined {
    return this.#exit;
  }

  /** True when the JVM ended because a port of its was taken; Kafka says so only in its log. */
  async lostItsPort(): Promise<boolean> {
    if (this.#exit === undefined) return false;
    if (this.#exit.exitCode === PORT_TAKEN) return true;
    const lines = await relevantLinesOfFile(this.logFile, this.#logStart);
    return this.#exit.exitCode === 1 && lines.some((line) => line.includes('Address already in use'));
  }

  /** Invariant 3. */
  unref(): void {
    this.#child.unref();
    for (const pipe of [this.#child.stdin, this.#child.stdout])
      (pipe as { unref?(): void } | null)?.unref?.();
  }

  /** Asks for an orderly end, and kills after `graceMs`. Invariant 4. */
  async stop(graceMs: number): Promise<void> {
    if (this.#exit) return;
    this.#child.ref();
    this.#child.stdin?.write('stop\n');
    const timer = new AbortController();
    const late = sleep(graceMs, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
    const first = await Promise.race([this.exited, late]);
    timer.abort();
    if (first === 'late') await this.kill();
  }

  /** SIGKILL: what a crash would look like to the server. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.#exit) {
      this.#child.ref();
      this.#child.kill('SIGKILL');
    }
    await this.exited;
  }

  /** An error that quotes the log, for a process that is gone or that did not get ready. */
  async failure(
    code: 'server-died' | 'start-timeout',
    what: string,
    nextStep: string,
    details: { timeoutMs?: number } = {},
  ): Promise<RealServerError> {
    const lines = await relevantLinesOfFile(this.logFile, this.#logStart);
    const exit = this.#exit ? ` (${describeExit(this.#exit)})` : '';
    return new RealServerError(
      code,
      `${this.#name} ${what}${exit}. The log, ${this.logFile}, says:\n` +
        `${lines.length > 0 ? lines.map((line) => `  ${line}`).join('\n') : '  (nothing)'}\n${nextStep}`,
      {
        details: { ...details, logFile: this.logFile, pid: this.pid, exitCode: this.#exit?.exitCode ?? null },
      },
    );
  }
}

/** Reads one line of ParentWatch's protocol; undefined for anything else. */
export const parseLauncherEvent = (line: string): LauncherEvent | undefined => {
  const found = /^@millrace (\S+) (\d+) (.*)$/.exec(line);
  if (!found) return undefined;
  const [, name = '', uptimeMs, detail = ''] = found;
  return { name, uptimeMs: Number(uptimeMs), detail };
};

const describeExit = ({ exitCode, signal }: JavaExit): string =>
  signal === null ? `exit code ${exitCode ?? 'none'}` : `killed by ${signal}`;
