/** The command: arguments in, exit code out. */
import { SavepointReader, type OperatorSize } from '../checkpoint/savepoint-reader.js';
import { StreamConfigError } from '../errors.js';
import { messageOf } from '../runtime/describe-value.js';
import { HELP, parseCommandLine, UsageError, type ListCommand, type ReadCommand } from './command-line.js';
import { formatSizes } from './size-table.js';
import { toStateJson } from './state-json.js';

/** Where the tool writes. `out` resolves when there is room for more. */
export interface ToolOutput {
  out(text: string): Promise<void>;
  error(text: string): void;
}

/** Runs the tool and returns its exit code. */
export async function runCommand(argv: readonly string[], output: ToolOutput): Promise<number> {
  try {
    const command = parseCommandLine(argv);
    if (command === 'help') await output.out(HELP);
    else if (command.command === 'list') await list(command, output);
    else await read(command, output);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      output.error(`millrace-state: ${error.message}\nSee millrace-state --help.\n`);
      return 2;
    }
    output.error(`millrace-state: ${messageOf(error)}\n`);
    return 1;
  }
}

async function list({ directory, checkpointId, isJson }: ListCommand, { out }: ToolOutput): Promise<void> {
  const reader = await open(directory, checkpointId);
  const sizes: OperatorSize[] = [];
  for await (const size of reader.sizes()) {
    if (isJson) await out(`${JSON.stringify(size)}\n`);
    else sizes.push(size);
  }
  if (isJson) return;
  const { jobName, createdAt } = reader;
  await out(`Checkpoint ${reader.checkpointId} of the job '${jobName}', ${createdAt.toISOString()}\n\n`);
  await out(formatSizes(sizes));
}

async function read(command: ReadCommand, { out }: ToolOutput): Promise<void> {
  const { uid, state, key = {} } = command;
  const reader = await open(command.directory, command.checkpointId);
  for await (const line of linesOf(reader, uid, state, key)) await out(`${JSON.stringify(line)}\n`);
}

function open(directory: string, checkpointId: number | undefined): Promise<SavepointReader> {
  return SavepointReader.open(directory, checkpointId === undefined ? {} : { checkpointId });
}

/** Each has the name of its state. */
async function* linesOf(
  reader: SavepointReader,
  uid: string,
  wanted: string | undefined,
  options: { readonly key?: unknown },
): AsyncGenerator<object> {
  const parts = await partsOf(reader, uid);
  const chosen = parts.filter(({ name }) => wanted === undefined || name === wanted);
  if (wanted !== undefined && chosen.length === 0) {
    const known = parts.map(({ name }) => name).join(', ') || 'nothing';
    throw new StreamConfigError(`The operator with uid '${uid}' has no '${wanted}'. It has: ${known}.`);
  }
  for (const { name, lines } of chosen) {
    for await (const line of lines(options)) yield { state: name, ...line };
  }
}

interface Part {
  readonly name: string;
  lines(options: { readonly key?: unknown }): AsyncGenerator<object>;
}

/** States, then tables; of a source its splits and its enumerator. */
async function partsOf(reader: SavepointReader, uid: string): Promise<readonly Part[]> {
  const tables = await reader.tables(uid); // it is known that there is such an operator
  const operator = reader.operators.find((one) => one.uid === uid)!;
  if (operator.type === 'source') return sourceParts(reader, uid);
  const kinds = new Map(operator.states.map(({ name, kind }) => [`${kind} ${name}`, { name, kind }]));
  const states = [...kinds.values()].map(({ name, kind }): Part => {
    const isList = kind === 'operator-list' || kind === 'union-list';
    const isOneOfSeveral = [...kinds.values()].some((other) => other.name === name && other.kind !== kind);
    const more = isOneOfSeveral ? { kind } : {};
    return {
      name,
      async *lines(options) {
        if (isList && 'key' in options) return;
        for await (const { key, value } of reader.readState(uid, name, { ...options, kind })) {
          const at = isList ? { subtask: key } : { key: toStateJson(key) };
          yield { ...more, ...at, value: toStateJson(value) };
        }
      },
    };
  });
  const rows = tables.map(({ table }): Part => {
    return {
      name: table,
      async *lines(options) {
        for await (const { key, namespace, value } of reader.readRows(uid, table, options)) {
          const more = namespace === undefined ? {} : { namespace: toStateJson(namespace) };
          yield { key: toStateJson(key), ...more, value: toStateJson(value) };
        }
      },
    };
  });
  return [...states, ...rows];
}

function sourceParts(reader: SavepointReader, uid: string): readonly Part[] {
  const { splits, enumerator } = reader.source(uid);
  return [
    {
      name: 'splits',
      async *lines() {
        for (const [subtask, own] of splits.entries()) {
          for (const split of own) yield { subtask, value: toStateJson(split) };
        }
      },
    },
    {
      name: 'enumerator',
      async *lines() {
        yield { value: toStateJson(enumerator) };
      },
    },
  ];
}
