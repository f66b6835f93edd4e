import type { Command, CommandOption } from './command.js';
import { commands } from './commands.js';
import { connectionHelp, connectionOptions } from './connection.js';

const exitCodesHelp = `Exit codes: 0 done, 1 an error, 2 wrong arguments, 3 a task that tail followed failed, 130 interrupted (Ctrl-C),
143 terminated.`;

const helpOption = { help: { help: 'this text' } };

/** `millrace-druid --help` */
export function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return `Looks into an Apache Druid.

Usage: millrace-druid COMMAND [ARGUMENTS] [OPTIONS]

${aligned(lines)}
millrace-druid COMMAND --help says more about each; millrace-druid --version prints the version.

${aligned(optionLines({ ...connectionOptions, ...helpOption }))}
${connectionHelp}

${exitCodesHelp}
`;
}

/** `millrace-druid COMMAND --help` */
export function helpOf(name: string, command: Command): string {
  const { summary, operands, options, details } = command;
  return `millrace-druid ${name} ${summary}.

Usage: millrace-druid ${[name, operands, '[OPTIONS]'].filter((part) => part !== '').join(' ')}

${aligned(optionLines({ ...options, ...connectionOptions, ...helpOption }))}
${details === undefined ? '' : `${details}\n\n`}millrace-druid --help says how to give credentials, and what the exit codes mean.
`;
}

function optionLines(options: Readonly<Record<string, CommandOption>>): (readonly [string, string])[] {
  return Object.entries(options).map(([name, { value, isRepeatable, help }]) => [
    `--${name}${value === undefined ? '' : ` ${value}`}${isRepeatable ? ' …' : ''}`,
    help,
  ]);
}

function aligned(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([left]) => left.length));
  return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}
