import { StreamError, StreamRecordError } from '../errors.js';

const MAX_LENGTH = 200;

/** How records, keys and thrown errors are written into messages, logs and failure reports. */
export interface Describer {
  describeRecord(record: unknown): string;
  describeError(thrown: unknown): string;
}

/** A record as a person can read it in an error: JSON where possible, cut to a sane length. */
export function describeValue(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_name, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item));
  } catch {
    // A cycle or a throwing toJSON: the type has to do, the error that is being described matters more.
    text = undefined;
  }
  text ??= typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}… (${text.length} characters)` : text;
}

/** The message of whatever was thrown: anything can be, and asking it must not hide that something was. */
export function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

/** Everything as it is. */
export const plainDescriber: Describer = { describeRecord: describeValue, describeError: messageOf };

/** A program's own functions. Where one of them throws, nothing of what it was given is shown. */
export function createDescriber(functions: {
  readonly describeRecord?: ((record: unknown) => string) | undefined;
  readonly describeError?: ((error: unknown) => string) | undefined;
}): Describer {
  const { describeRecord, describeError } = functions;
  return {
    describeRecord: describeRecord === undefined ? describeValue : guarded('describeRecord', describeRecord),
    describeError:
      describeError === undefined ? messageOf : guarded('describeError', programsOnly(describeError)),
  };
}

/** The engine's own errors speak of its own things, and have been through the describer where they do not. */
function programsOnly(describe: (error: unknown) => string): (thrown: unknown) => string {
  return (thrown) =>
    StreamError.is(thrown) && !(thrown instanceof StreamRecordError) ? thrown.message : describe(thrown);
}

function guarded(name: string, describe: (value: unknown) => string): (value: unknown) => string {
  return (value) => {
    try {
      return describe(value);
    } catch {
      // What it threw may quote the record: the failure that is being described goes on without it.
      return `(${name} threw)`;
    }
  };
}
