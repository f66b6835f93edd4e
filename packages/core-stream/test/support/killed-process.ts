import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** When a process is killed: some milliseconds after its start or, where lines are told, after that many lines of its progress. */
export interface Kill {
  readonly afterLines?: number;
  /** Only lines that say this count; all of them unless told. */
  readonly line?: string;
  readonly afterMs?: number;
}

/** How a program that was not killed says that it has got to its end. */
export type End = 'finished' | 'stopped';

/** Runs a program that prints lines of progress, and kills it. Resolves with how it has ended, `undefined` where it was killed. */
export function runUntilKilled(
  program: string,
  args: readonly string[],
  kill: Kill,
): Promise<End | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const { afterLines, afterMs, line } = kill;
    let timer: NodeJS.Timeout | undefined;
    const killIn = (ms: number) => (timer = setTimeout(() => child.kill('SIGKILL'), ms));
    if (afterLines === undefined && afterMs !== undefined) killIn(afterMs);
    let lines = 0;
    let errors = '';
    let end: End | undefined;
    createInterface({ input: child.stdout }).on('line', (said) => {
      if (said === 'finished' || said === 'stopped') end = said;
      else if ((line !== undefined && said !== line) || ++lines !== afterLines) return;
      else if (afterMs === undefined) child.kill('SIGKILL');
      else killIn(afterMs);
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (end !== undefined && code === 0) resolve(end);
      else if (signal === 'SIGKILL') resolve(undefined);
      else reject(new Error(`the program ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}
