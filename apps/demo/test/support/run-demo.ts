import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { DemoReport } from '../../src/report.js';
import { demoFolder } from './build-demo.js';

export interface DemoRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of stdout, where it is JSON. */
  readonly report: DemoReport;
}

export interface StartedDemo {
  readonly process: ChildProcess;
  /** Resolves when the demo has said `text`, or has ended. */
  said(text: string): Promise<void>;
  readonly ended: Promise<DemoRun>;
}

const main = join(demoFolder, 'dist/main.js');

/** Starts `node dist/main.js` with these flags. */
export function startDemo(...flags: readonly string[]): StartedDemo {
  return start(process.execPath, [main, ...flags]);
}

/** The same where no file may grow past some 100 KB: what happens on a disk that is full. */
export function startDemoWithSmallFiles(...flags: readonly string[]): StartedDemo {
  return start('sh', ['-c', 'ulimit -f 200 && exec "$@"', 'sh', process.execPath, main, ...flags]);
}

function start(command: string, args: readonly string[]): StartedDemo {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    for (const listener of listeners) listener();
  });
  const ended = new Promise<DemoRun>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({
        code,
        stdout,
        stderr,
        get report() {
          const last = stdout.trimEnd().split('\n').at(-1) ?? '';
          if (code === 0 && last.startsWith('{')) return JSON.parse(last) as DemoReport;
          throw new Error(
            `The demo ended with ${String(code)} and without a report:\n${stdout.slice(-500)}\n${stderr}`,
          );
        },
      });
    });
  });
  const said = (text: string) =>
    new Promise<void>((resolve) => {
      const listener = () => {
        if (!stderr.includes(text)) return;
        listeners.delete(listener);
        resolve();
      };
      listeners.add(listener);
      listener();
      void ended.then(() => resolve());
    });
  return { process: child, said, ended };
}

export function runDemo(...flags: readonly string[]): Promise<DemoRun> {
  return startDemo(...flags).ended;
}

/** The report without what differs between two runs of the same thing. */
export function figuresOf({ report }: DemoRun): Omit<DemoReport, 'seconds'> {
  const { seconds: _seconds, ...figures } = report;
  return figures;
}
