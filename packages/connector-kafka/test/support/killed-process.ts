import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** When a process is killed: so many milliseconds after it has said `line` for the `nth` time. */
export interface Kill {
  readonly line: string;
  readonly nth: number;
  readonly afterMs: number;
}

/** Runs a program that says what it is at, and kills it. Resolves with whether it has got to its end. */
export function runUntilKilled(
  program: string,
  options: unknown,
  kill: Kill | undefined,
  onLine: (line: string) => void = () => undefined,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let timer: NodeJS.Timeout | undefined;
    let times = 0;
    let errors = '';
    let hasFinished = false;
    createInterface({ input: child.stdout }).on('line', (said) => {
      if (said === 'finished') hasFinished = true;
      onLine(said);
      if (kill === undefined || said !== kill.line || ++times !== kill.nth) return;
      timer = setTimeout(() => child.kill('SIGKILL'), kill.afterMs);
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (hasFinished || signal === 'SIGKILL') resolve(hasFinished);
      else reject(new Error(`the program ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}
