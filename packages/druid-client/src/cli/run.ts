/** The tool: arguments in, exit code out. */
import { readFileSync } from 'node:fs';
import { DruidClient } from '../druid-client.js';
import { Arguments } from './arguments.js';
import { visible } from './cell-text.js';
import { exitCodes, Stop, UsageError, type CliIo, type Command } from './command.js';
import { commands } from './commands.js';
import { connectionOf, connectionOptions } from './connection.js';
import { failureOf } from './failure.js';
import { helpOf, overview } from './help.js';

// Somebody waits before the screen: about a second and a half, where a program would wait six.
const retry = { maxAttempts: 4 };

/** Runs the tool and returns its exit code. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const [name, ...rest] = argv;
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  try {
    if (name === '--help') await io.out(overview());
    else if (name === '--version') await io.out(`${version()}\n`);
    else if (command !== undefined) return await runCommand(name!, command, rest, io);
    else throw new UsageError(`the first argument is a command, got ${name ?? 'nothing'}`);
    return exitCodes.done;
  } catch (thrown) {
    const reason: unknown = io.signal.reason;
    if (reason instanceof Stop) {
      // Where nobody reads on, there is nothing to tell.
      if (reason.exitCode !== exitCodes.done) io.error(`millrace-druid: ${reason.message}\n`);
      return reason.exitCode;
    }
    const { lines, exitCode } = failureOf(thrown, command === undefined ? undefined : name);
    io.error(`millrace-druid: ${lines.join('\n')}\n`);
    return exitCode;
  }
}

async function runCommand(
  name: string,
  command: Command,
  argv: readonly string[],
  io: CliIo,
): Promise<number> {
  const args = new Arguments(argv, { ...command.options, ...connectionOptions, help: { help: '' } });
  if (args.flag('help')) {
    await io.out(helpOf(name, command));
    return exitCodes.done;
  }
  const run = command.prepare(args);
  const druid = new DruidClient({ ...connectionOf(args, io), retry: { ...retry, ...command.retry } });
  try {
    const note = (text: string) => io.error(`${visible(text)}\n`);
    return (await run({ druid, io, note })) ?? exitCodes.done;
  } finally {
    druid.close();
  }
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
