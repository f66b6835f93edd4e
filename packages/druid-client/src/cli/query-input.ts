/** The statement, its parameters and its context, from the arguments. */
import type { SqlContext } from '../sql-context.js';
import type { SqlParameter } from '../sql-parameters.js';
import type { Arguments } from './arguments.js';
import { UsageError, type CliIo, type CommandOption } from './command.js';
import { readText } from './connection.js';

export const queryOptions = {
  file: { value: 'FILE', help: 'read the SQL from there; - is standard input' },
  param: {
    value: 'VALUE',
    isRepeatable: true,
    help: 'the value for the next ?: a text, or BIGINT:…, DOUBLE:…, BOOLEAN:…, TIMESTAMP:…, VARCHAR:…, NULL:',
  },
  context: {
    value: 'NAME=VALUE',
    isRepeatable: true,
    help: "a member of Druid's query context, such as timeout=10000",
  },
} satisfies Record<string, CommandOption>;

export const queryDetails = `SQL is an argument, or comes from a file or from standard input. A value that a script puts in is best written
VARCHAR:…, because what follows the first colon is then taken as it is.`;

/** What to run, once standard input has been read. */
export interface QueryInput {
  readonly statement: (io: Pick<CliIo, 'readInput'>) => Promise<Statement>;
  readonly context: SqlContext;
}

interface Statement {
  readonly sql: string;
  readonly parameters: readonly SqlParameter[];
}

/** @throws UsageError */
export function queryInputOf(args: Arguments): QueryInput {
  const argument = args.oneAtMost('statement (in quotes, for the shell)');
  const file = args.text('file');
  if (argument !== undefined && file !== undefined)
    throw new UsageError('the SQL is an argument or in --file, not both');
  const parameters = args.list('param').map(parameterOf);
  return {
    statement: async (io) => {
      const text = argument !== undefined && argument !== '-' ? argument : await read(file ?? '-', io);
      return { sql: sqlText(text), parameters };
    },
    context: Object.fromEntries(args.list('context').map(contextOf)),
  };
}

function sqlText(text: string): string {
  // Where SQL comes from it ends in a semicolon, which not every Druid takes. No literal can end there.
  const sql = text.replace(/^\ufeff/, '').replace(/;\s*$/, '');
  if (sql.trim() !== '') return sql;
  throw new UsageError('there is no SQL: the statement is empty');
}

async function read(file: string, { readInput }: Pick<CliIo, 'readInput'>): Promise<string> {
  if (file === '-') {
    if (readInput !== undefined) return readInput();
    throw new UsageError('there is no SQL: give it as an argument, by --file, or through standard input');
  }
  return readText('SQL', file);
}

const readers: Readonly<Record<string, (text: string) => SqlParameter | undefined>> = {
  VARCHAR: (text) => text,
  BIGINT: (text) => (/^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : undefined),
  DOUBLE: (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    return Number.isFinite(value) ? { type: 'DOUBLE', value } : undefined;
  },
  BOOLEAN: (text) => ({ true: true, false: false })[text],
  TIMESTAMP: (text) => {
    // Without a zone it is UTC, as everywhere in Druid; JavaScript would take the machine's.
    const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || !/\d:\d/.test(text);
    const time = new Date(hasZone ? text : `${text.replace(' ', 'T')}Z`);
    return /^\d{4}-/.test(text) && !Number.isNaN(time.getTime()) ? time : undefined;
  },
  NULL: (text) => (text === '' ? null : undefined),
};

function parameterOf(argument: string, index: number): SqlParameter {
  const [, type, text] = /^([A-Z]+):(.*)$/s.exec(argument) ?? [];
  const read = type === undefined ? undefined : readers[type];
  if (read === undefined) return argument;
  const value = read(text ?? '');
  if (value !== undefined) return value;
  throw new UsageError(`--param ${index + 1} is no ${type}: '${text}'`);
}

function contextOf(argument: string): [string, unknown] {
  const at = argument.indexOf('=');
  if (at < 1) throw new UsageError(`--context takes NAME=VALUE, got ${argument}`);
  const [name, text] = [argument.slice(0, at), argument.slice(at + 1)];
  // An id stays text, even one of digits.
  return [name, name === 'sqlQueryId' ? text : jsonOrText(text)];
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
