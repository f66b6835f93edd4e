/** The lexical rules of Druid's SQL: which characters of a statement are code, and which are quoted or comments. */

/** What a position of a statement lies in. */
export type SqlPlace = 'code' | 'string' | 'identifier' | 'line comment' | 'block comment';

/** What {@link scanSql} saw. */
export interface SqlScan {
  /** Where the text ends: anything but `code` means that a quote or a comment is still open. */
  readonly end: SqlPlace;
  /** Positions of the `?` that are parameters: those in code. */
  readonly placeholders: readonly number[];
}

/**
 * Walks over `text`, which begins in code. Quotes are escaped by doubling them, there is no backslash escape; comments
 * are `--` and `//` to the end of the line, and those of C, which do not nest.
 */
export function scanSql(text: string): SqlScan {
  const placeholders: number[] = [];
  let place: SqlPlace = 'code';
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    switch (place) {
      case 'code':
        if (char === '?') placeholders.push(at);
        else if (char === "'") place = 'string';
        else if (char === '"') place = 'identifier';
        else if ((char === '-' || char === '/') && text[at + 1] === char) place = 'line comment';
        else if (char === '/' && text[at + 1] === '*') {
          place = 'block comment';
          at++; // the star of the opening does not close it
        }
        break;
      // A doubled quote closes and opens again, which comes to the same.
      case 'string':
        if (char === "'") place = 'code';
        break;
      case 'identifier':
        if (char === '"') place = 'code';
        break;
      case 'line comment':
        if (char === '\n' || char === '\r') place = 'code';
        break;
      case 'block comment':
        if (char === '*' && text[at + 1] === '/') {
          place = 'code';
          at++;
        }
        break;
    }
  }
  return { end: place, placeholders };
}
