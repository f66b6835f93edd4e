import { createHash } from 'node:crypto';

/** Longer names are cut: file systems allow 255 bytes. */
const LONGEST = 180;

/** The name of a segment's object: what is not allowed in names is escaped, so any id has a name of its own. */
export function segmentName(id: string): string {
  const escaped = [...Buffer.from(id, 'utf8')].map(escape).join('').replace(/^\./, '%2E');
  if (escaped.length <= LONGEST) return `segments/${escaped}`;
  const hash = createHash('sha256').update(id).digest('hex');
  return `segments/${escaped.slice(0, LONGEST - hash.length - 1)}-${hash}`;
}

function escape(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9._-]/.test(character)
    ? character
    : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
