import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** When a process is killed: some milliseconds after its start or, where lines are told, after that line of its progress. */
export interface Kill {
  readonly afterLines?: number;
  readonly afterMs?: number;
}

/** Runs a program that prints lines of progress, and kills it. Resolves with whether it got to its end, where it prints `finished`. */
export function runUntilKilled(program: string, args: readonly string[], kill: Kill): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const { afterLines, afterMs } = kill;
    let timer: NodeJS.Timeout | undefined;
    const killIn = (ms: number) => (timer = setTimeout(() => child.kill('SIGKILL'), ms));
    if (afterLines === undefined && afterMs !== undefined) killIn(afterMs);
    let lines = 0;
    let errors = '';
    let isFinished = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'finished') isFinished = true;
      else if (++lines !== afterLines) return;
      else if (afterMs === undefined) child.kill('SIGKILL');
      else killIn(afterMs);
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (isFinished && code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`the program ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}
