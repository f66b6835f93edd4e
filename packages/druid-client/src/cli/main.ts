/**
 * The process of the tool: signals, pipes, exit code.
 *
 * Invariant 1: whoever stops the tool stops the query too: a signal, or a reader that goes away, aborts the command, which
 * cancels in Druid, and only then the process ends. A second signal ends it at once.
 */
import { once } from 'node:events';
import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import { visible } from './cell-text.js';
import { exitCodes, Stop } from './command.js';
import { runCli } from './run.js';

const { stdin, stdout, stderr } = process;
const stopping = new AbortController();

/** Invariant 1. */
function stop(reason: Stop): void {
  if (stopping.signal.aborted) process.exit(reason.exitCode);
  stopping.abort(reason);
}

process.on('SIGINT', () => stop(new Stop(exitCodes.interrupted)));
process.on('SIGTERM', () => stop(new Stop(exitCodes.terminated)));
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (stopping.signal.aborted) return;
  // Who reads has had enough, as `head` does: that is no failure. A full disk is.
  if (error.code === 'EPIPE') stop(new Stop(exitCodes.done));
  else stop(new Stop(exitCodes.error, `the output cannot be written: ${error.message}`));
});
// Nobody is there to be told.
stderr.on('error', () => undefined);

// A terminal obeys control characters, a file keeps them.
const shown = (chunk: string) => (stdout.isTTY ? visible(chunk, '\n\t') : chunk);

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  signal: stopping.signal,
  terminalWidth: stdout.isTTY ? stdout.columns : undefined,
  readInput: stdin.isTTY ? undefined : () => text(addAbortSignal(stopping.signal, stdin)),
  async out(chunk) {
    stopping.signal.throwIfAborted();
    if (!stdout.write(shown(chunk))) await once(stdout, 'drain', { signal: stopping.signal });
  },
  error: (chunk) => void stderr.write(visible(chunk, '\n')),
});
