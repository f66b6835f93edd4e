/** Writes a Java properties file; everything but plain ASCII is escaped, so the reader's encoding does not matter. */
export const formatProperties = (properties: Readonly<Record<string, string>>): string =>
  Object.entries(properties)
    .map(([key, value]) => `${escape(key, /[\s=:#!\\]/g)}=${escape(value, /\\|^[ \t]/g)}\n`)
    .join('');

const escape = (text: string, special: RegExp): string =>
  text
    .replace(special, (found) => `\\${found}`)
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/[^\x20-\x7e\t]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
