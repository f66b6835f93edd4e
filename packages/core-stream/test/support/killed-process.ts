import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Runs a program that prints lines of progress, and kills it after `killAfter` of them. Resolves with whether it got to its
 * end, where it prints `finished`.
 */
export function runUntilKilled(
  program: string,
  args: readonly string[],
  killAfter: number,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args]);
    let lines = 0;
    let errors = '';
    let isFinished = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'finished') isFinished = true;
      else if (++lines === killAfter) child.kill('SIGKILL');
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (isFinished && code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`the program ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}
