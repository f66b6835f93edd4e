import { DruidError, DruidRemoteError } from '../errors.js';
import { CliError, exitCodes, UsageError } from './command.js';

/** What to print about a failure, and the exit code. */
export interface Failure {
  readonly lines: readonly string[];
  readonly exitCode: number;
}

/** A line that says what failed, and one that says what to do; the place in the SQL between them. */
export function failureOf(error: unknown, command: string | undefined): Failure {
  if (error instanceof UsageError) {
    const help = `millrace-druid ${command === undefined ? '' : `${command} `}--help`;
    return { lines: [error.message, `See ${help}.`], exitCode: exitCodes.usage };
  }
  if (error instanceof CliError) return failed(error.message, error.hint);
  if (DruidError.is(error)) {
    const exitCode = error.code === 'DRUID_CONFIG' ? exitCodes.usage : exitCodes.error;
    return { ...failed(error.message, hintFor(error)), exitCode };
  }
  // A system's own words are enough; anything else is a mistake of ours, and its place is worth knowing.
  const isOfSystem = error instanceof Error && 'code' in error;
  return failed(
    isOfSystem ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error),
  );
}

function failed(message: string, hint?: string): Failure {
  return { lines: [message, ...(hint === undefined ? [] : [hint])], exitCode: exitCodes.error };
}

// What messages say of the client's options, in terms of the command line.
const connectionHints: readonly (readonly [said: string, hint: string])[] = [
  ["'tls.ca'", '--ca FILE gives it.'],
  ["'tls.cert'", '--cert FILE and --key FILE give them.'],
  ["option 'proxy'", 'MILLRACE_DRUID_PROXY may hold them.'],
  ['', '--url or MILLRACE_DRUID_URL names another one.'],
];

function hintFor(error: DruidError): string | undefined {
  switch (error.code) {
    case 'DRUID_CONNECTION':
      return connectionHints.find(([option]) => error.message.includes(option))?.[1];
    case 'DRUID_CONFIG':
      if (!error.message.startsWith("Option 'tls'")) return undefined;
      return 'They are --ca, --cert and --key; the passphrase comes from MILLRACE_DRUID_KEY_PASSPHRASE.';
    case 'DRUID_TIMEOUT':
      return '--timeout SECONDS waits longer.';
    case 'DRUID_TRUNCATED':
      return 'The rows that were printed are genuine, but not all there are.';
    case 'DRUID_REMOTE':
      return DruidRemoteError.is(error) ? hintForRefusal(error) : undefined;
    default:
      return undefined;
  }
}

function hintForRefusal({ details: { status, druid } }: DruidRemoteError): string | undefined {
  const said = druid.errorMessage ?? druid.error ?? '';
  if (status === 401) return 'millrace-druid --help says how to give credentials.';
  if (status === 400 && /Object '.*' not found/.test(said))
    return 'millrace-druid datasources lists what there is.';
  if (status === 400 && /Column '.*' not found/.test(said))
    return "Names are case-sensitive; texts stand in single quotes: 'text'.";
  if (status === 404 && druid.error === undefined)
    return 'Is this the Router, with its management proxy enabled?';
  return undefined;
}
