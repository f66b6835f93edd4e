const MAX_LENGTH = 200;

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
