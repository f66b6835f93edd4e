import { parseArgs } from 'node:util';
import { AIRPORTS_FILE } from './airports.js';
import type { DruidChoice } from './druid-target.js';
import { DemoError } from './failure.js';
import { FLIGHTS_FILE } from './flights-file.js';
import type { OnInvalid } from './validate.js';

export interface DemoOptions {
  readonly rows: number;
  readonly druid: DruidChoice;
  readonly parallelism: number;
  /** Undefined: a temporary one. */
  readonly dataDir: string | undefined;
  /** The fraction of records that are spoiled. */
  readonly corrupt: number;
  readonly onInvalid: OnInvalid;
  readonly checkpointIntervalMs: number;
  readonly datasourcePrefix: string;
  readonly advertisedHost: string;
  readonly flightsFile: string;
  readonly airportsFile: string;
  readonly json: boolean;
  readonly verbose: boolean;
}

export const HELP = `Replays real US flights of 2001 through one stream job with four branches into Apache Druid,
then reads the result back with a second job and prints the worst airports.

Usage: node apps/demo/dist/main.js [flags]

  --rows N                   the first N flights of the file, at most 3000000          (default 200000)
  --druid TARGET             embedded: inside this process; real: a Druid 33 that is started (JDK 17 and Maven);
                             or the address of a Router, http://[user:password@]host:port  (default embedded)
  --parallelism N            subtasks of each operator after the watermarks             (default 1)
  --data-dir DIR             checkpoints, spool files and Druid's data; a run that was stopped or killed goes on
                             when it is started again with the same directory  (default: temporary, removed at the end)
  --corrupt FRACTION         spoils that share of the records, always the same ones     (default 0)
  --on-invalid MODE          dead-letter: set invalid records aside; fail: stop at the first  (default dead-letter)
  --checkpoint-interval MS   time between two checkpoints                               (default 5000)
  --datasource-prefix TEXT   goes before the name of every datasource                   (default none)
  --advertised-host HOST     where a Druid on another machine reaches this one          (default 127.0.0.1)
  --flights FILE             a Parquet file with date, delay, distance, origin, destination
  --airports FILE            a CSV file with iata, city, state
  --json                     the last line of stdout is one JSON object with all figures
  --verbose                  shows stack traces and causes of errors
  --help                     this text

Exit codes: 0 done, 1 an error, 130 stopped by Ctrl-C, 143 by SIGTERM.
`;

const FLAGS = {
  rows: { type: 'string', default: '200000' },
  druid: { type: 'string', default: 'embedded' },
  parallelism: { type: 'string', default: '1' },
  'data-dir': { type: 'string' },
  corrupt: { type: 'string', default: '0' },
  'on-invalid': { type: 'string', default: 'dead-letter' },
  'checkpoint-interval': { type: 'string', default: '5000' },
  'datasource-prefix': { type: 'string', default: '' },
  'advertised-host': { type: 'string', default: '127.0.0.1' },
  flights: { type: 'string', default: FLIGHTS_FILE },
  airports: { type: 'string', default: AIRPORTS_FILE },
  json: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** The options, or `help`. @throws DemoError that names the flag, the value and what is expected */
export function parseCommandLine(argv: readonly string[]): DemoOptions | 'help' {
  const flags = parseFlags(argv);
  if (flags.help) return 'help';
  return {
    rows: wholeNumber('rows', flags.rows, 1, 3_000_000),
    druid: druidChoice(flags.druid),
    parallelism: wholeNumber('parallelism', flags.parallelism, 1, 128),
    dataDir: directory('data-dir', flags['data-dir']),
    corrupt: fraction('corrupt', flags.corrupt),
    onInvalid: oneOf('on-invalid', flags['on-invalid'], ['dead-letter', 'fail']),
    checkpointIntervalMs: wholeNumber('checkpoint-interval', flags['checkpoint-interval'], 1, 86_400_000),
    datasourcePrefix: prefix(flags['datasource-prefix']),
    advertisedHost: flags['advertised-host'],
    flightsFile: flags.flights,
    airportsFile: flags.airports,
    json: flags.json,
    verbose: flags.verbose,
  };
}

function parseFlags(argv: readonly string[]) {
  try {
    // `pnpm demo -- --rows 5` hands the dashes over.
    const args = argv[0] === '--' ? argv.slice(1) : [...argv];
    return parseArgs({ args, options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split('. ')[0]! : String(cause);
    throw new DemoError(`${message}. The flags are listed by --help.`, { cause });
  }
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll('_', '')) : NaN;
  if (value >= min && value <= max) return value;
  throw new DemoError(`--${flag} is '${text}'; it must be a whole number from ${min} to ${max}.`);
}

function directory(flag: string, text: string | undefined): string | undefined {
  if (text !== '') return text;
  throw new DemoError(
    `--${flag} is empty; it must be the path of a directory. Leave it out for a temporary one.`,
  );
}

function fraction(flag: string, text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new DemoError(`--${flag} is '${text}'; it must be a fraction from 0 to 1, such as 0.01.`);
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new DemoError(
    `--${flag} is '${text}'; it must be ${allowed.map((value) => `'${value}'`).join(' or ')}.`,
  );
}

function prefix(text: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(text)) return text;
  throw new DemoError(`--datasource-prefix is '${text}'; use letters, digits, '_' and '-' only.`);
}

function druidChoice(text: string): DruidChoice {
  if (text === 'embedded' || text === 'real') return { kind: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return { kind: 'url', url: text };
  // Not echoed where it looks like an address: it may hold a password.
  const seen = text.includes('@') ? '' : ` is '${text}'; it`;
  throw new DemoError(
    `--druid${seen} must be 'embedded', 'real' or the http(s) address of a Router, such as http://localhost:8888.`,
  );
}
