import { parseArgs } from 'node:util';
import { fromStateJson } from './state-json.js';

export const HELP = `Shows what a savepoint, or a retained checkpoint, holds.

Usage: millrace-state list DIRECTORY [--checkpoint ID] [--json]
       millrace-state read DIRECTORY --uid UID [--state NAME] [--key JSON] [--checkpoint ID]

  list              operators and their states, with counts and bytes
  read              the state of one operator as NDJSON: one JSON object a line

  --checkpoint ID   that checkpoint; the newest one unless given
  --json            list: one JSON object a line and operator, instead of a table
  --uid UID         the operator
  --state NAME      one of the states, or of the tables (timers, windows, …), that list names; all of them unless given
  --key JSON        only what belongs to this key
  --help            this text

What JSON has no word for: {"$map":[[key,value],…]}, {"$set":[…]}, {"$date":"2024-01-31T00:00:00.000Z"}, {"$bigint":"1"},
{"$bytes":"base64"}, {"$number":"NaN"} (Infinity, -Infinity, -0), {"$undefined":true}. A property of the state whose name
begins with $ has one $ more.

Exit codes: 0 done, 1 an error, 2 wrong arguments.
`;

/** The arguments are wrong. */
export class UsageError extends Error {}

export interface ListCommand {
  readonly command: 'list';
  readonly directory: string;
  readonly checkpointId: number | undefined;
  readonly isJson: boolean;
}

export interface ReadCommand {
  readonly command: 'read';
  readonly directory: string;
  readonly checkpointId: number | undefined;
  readonly uid: string;
  readonly state: string | undefined;
  /** `undefined` for all keys. */
  readonly key: { readonly key: unknown } | undefined;
}

const FLAGS = {
  checkpoint: { type: 'string' },
  json: { type: 'boolean', default: false },
  uid: { type: 'string' },
  state: { type: 'string' },
  key: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** @throws UsageError for wrong arguments */
export function parseCommandLine(argv: readonly string[]): ListCommand | ReadCommand | 'help' {
  const { values, positionals } = parse(argv);
  if (values.help) return 'help';
  const [command, directory, ...others] = positionals;
  if (command !== 'list' && command !== 'read') {
    throw new UsageError(`the first argument is list or read, got ${command ?? 'nothing'}`);
  }
  if (directory === undefined || others.length > 0) {
    throw new UsageError(`${command} takes one directory, got ${positionals.length - 1}`);
  }
  const checkpointId = values.checkpoint === undefined ? undefined : Number(values.checkpoint);
  if (checkpointId !== undefined && !(Number.isInteger(checkpointId) && checkpointId > 0)) {
    throw new UsageError(`--checkpoint takes the number of a checkpoint, got ${values.checkpoint}`);
  }
  const { uid, state, key, json } = values;
  if (command === 'list') {
    if (uid !== undefined || state !== undefined || key !== undefined) {
      throw new UsageError('--uid, --state and --key are for read');
    }
    return { command, directory, checkpointId, isJson: json };
  }
  if (uid === undefined) throw new UsageError('read takes --uid: list names the operators');
  if (json) throw new UsageError('--json is for list: read prints JSON anyway');
  return { command, directory, checkpointId, uid, state, key: key === undefined ? undefined : parseKey(key) };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseKey(text: string): { readonly key: unknown } {
  try {
    return { key: fromStateJson(JSON.parse(text)) };
  } catch (error) {
    throw new UsageError(
      `--key takes JSON, for a text in quotes ('"a"'), got ${text}: ${(error as Error).message}`,
    );
  }
}
