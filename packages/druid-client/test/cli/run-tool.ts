import { visible } from '../../src/cli/cell-text.js';
import type { CliIo } from '../../src/cli/command.js';
import { runCli } from '../../src/cli/run.js';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the tool within the test. */
export async function runTool(argv: readonly string[], io: Partial<CliIo> = {}): Promise<Outcome> {
  let [out, err] = ['', ''];
  const code = await runCli(argv, {
    env: {},
    signal: new AbortController().signal,
    terminalWidth: undefined,
    readInput: undefined,
    out: async (text) => void (out += text),
    // A breath, so that the server of the test gets its turn.
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    error: (text) => void (err += visible(text, '\n')),
    ...io,
  });
  return { code, out, err };
}
