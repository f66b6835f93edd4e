/**
 * Submission of a query whose id the client chooses, so that it never runs twice.
 *
 * Invariant 1: after a failure that may have left the query running, the server is asked for the id; a submission is
 * repeated only if it knows none, and with the same id.
 */
import { DruidConfigError, DruidError } from '../errors.js';
import type { DruidRequest } from '../request.js';
import { withSqlPosition } from '../sql-error-position.js';
import type { SqlStatement } from '../sql-template.js';
import type { Transport } from '../transport.js';

/** `query-<sqlQueryId>`: the task (and statement) id that Druid gives a query. @throws DruidConfigError */
export function taskIdOf(sqlQueryId: string): string {
  // Druid's own rule for ids that become file names (IdUtils.validateId).
  if (sqlQueryId !== '' && !/[/\p{Cc}\u2028\u2029]/u.test(sqlQueryId)) return `query-${sqlQueryId}`;
  throw new DruidConfigError({
    message: `The sqlQueryId ${JSON.stringify(sqlQueryId)} cannot be a task id: it must not be empty, nor hold slashes or control characters.`,
    details: { option: 'sqlQueryId' },
  });
}

/** The members of a submission's body that hold the statement. */
export function statementBody({ text, parameters }: SqlStatement): object {
  return { query: text, ...(parameters.length === 0 ? {} : { parameters }) };
}

/**
 * Sends `request` until it is taken, or `find` sees that an earlier try was.
 *
 * @throws DruidError, with the place in `sql` that Druid complains about
 */
export async function submitIdentified<T, F>(
  transport: Transport,
  request: Omit<DruidRequest, 'kind'>,
  sql: string,
  parse: (answer: Awaited<ReturnType<Transport['text']>>) => T,
  find: () => Promise<F | undefined>,
): Promise<{ readonly submitted: T } | { readonly found: F }> {
  const identified = { ...request, kind: 'identified' } as const;
  const attempt = async (server: string) => {
    try {
      return { submitted: parse(await transport.textOnce({ ...identified, server })) };
    } catch (error) {
      if (!mayHaveArrived(error)) throw error;
      const found = await find(); // invariant 1
      if (found === undefined) throw error;
      return { found };
    }
  };
  try {
    return await transport.retrying(identified, attempt);
  } catch (error) {
    throw withSqlPosition(error, sql);
  }
}

// A second post of an id is a 500 at 27.0.0 and a 400 later, both with "already exists" inside the message.
function mayHaveArrived(error: unknown): boolean {
  if (!DruidError.is(error)) return false;
  switch (error.code) {
    case 'DRUID_CONNECTION':
    case 'DRUID_TIMEOUT':
    case 'DRUID_DECODE':
      return true;
    case 'DRUID_REMOTE': {
      const { status } = error.details as { status: number };
      return status >= 500 || /already exists|entryAlreadyExists/i.test(error.message);
    }
    default:
      return false;
  }
}
