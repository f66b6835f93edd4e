/** What a command of the tool is made of. */
import type { DruidClient } from '../druid-client.js';
import type { RetryPolicy } from '../retry.js';
import type { Sleep } from '../sleep.js';
import type { Arguments } from './arguments.js';

/** The arguments are wrong: exit code 2. */
export class UsageError extends Error {}

/** What was asked for cannot be had: exit code 1, with what to do about it in a line of its own. */
export class CliError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Exit codes, as `--help` lists them. */
export const exitCodes = {
  done: 0,
  error: 1,
  usage: 2,
  taskFailed: 3,
  interrupted: 130,
  terminated: 143,
} as const;

/** Why a command is to stop before its end: the reason of {@link CliIo.signal}. */
export class Stop extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message = 'interrupted') {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The process, as far as the tool knows of it. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires, with a {@link Stop}, when the person has had enough. */
  readonly signal: AbortSignal;
  /** Cells in a line; undefined where no terminal is written to. */
  readonly terminalWidth: number | undefined;
  /** All of standard input; undefined where it is a terminal. */
  readonly readInput: (() => Promise<string>) | undefined;
  /** Writes a result, and resolves when there is room for more. */
  out(text: string): Promise<void>;
  /** Writes what is not part of the result. */
  error(text: string): void;
  /** Injected for tests. */
  readonly sleep?: Sleep;
}

/** What a command works with. */
export interface CommandContext {
  readonly druid: DruidClient;
  readonly io: CliIo;
  /** A line beside the result, on standard error. */
  note(text: string): void;
}

/** An option, for the parser and for `--help`. */
export interface CommandOption {
  /** What its value is called; undefined for a flag. */
  readonly value?: string;
  readonly isRepeatable?: true;
  readonly help: string;
}

/** A command of the tool. */
export interface Command {
  readonly summary: string;
  /** The arguments that are no options. */
  readonly operands: string;
  /** Paragraphs of `--help` below the options. */
  readonly details?: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /** How patiently to repeat what failed, where that is not the tool's own way. */
  readonly retry?: Partial<RetryPolicy>;
  /** Reads the arguments. What it returns runs, and gives the exit code; 0 unless it says otherwise. */
  prepare(args: Arguments): (context: CommandContext) => Promise<number | undefined>;
}
