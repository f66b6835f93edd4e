import { spawn } from 'node:child_process';

import { RealServerError, throwIfAborted } from './real-server-error.js';

export interface ToolResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  /** Standard output and standard error, as they came, cut to the last 200,000 characters. */
  readonly output: string;
}

const MAX_OUTPUT_CHARS = 200_000;

/**
 * Runs a command-line tool to its end, without a shell.
 *
 * @throws RealServerError `tool-missing` when it is not on the PATH, `aborted` when the signal ended it.
 */
export const runTool = (
  command: string,
  args: readonly string[],
  options: { cwd?: string; signal?: AbortSignal | undefined; onLine?: (line: string) => void } = {},
): Promise<ToolResult> => {
  throwIfAborted(options.signal, command);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    let output = '';
    let partial = '';
    const take = (chunk: string): void => {
      output = (output + chunk).slice(-MAX_OUTPUT_CHARS);
      const lines = (partial + chunk).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    const abort = (): void => void child.kill('SIGTERM');
    options.signal?.addEventListener('abort', abort, { once: true });
    child.once('error', (cause) => {
      options.signal?.removeEventListener('abort', abort);
      reject(
        new RealServerError(
          'tool-missing',
          `\`${command}\` could not be run (${cause.message}): install it and put it on the PATH`,
          {
            cause,
            details: { tool: command },
          },
        ),
      );
    });
    child.once('close', (exitCode) => {
      options.signal?.removeEventListener('abort', abort);
      try {
        throwIfAborted(options.signal, `\`${command}\``);
        resolve({ exitCode, output });
      } catch (error) {
        reject(error as Error);
      }
    });
  });
};
