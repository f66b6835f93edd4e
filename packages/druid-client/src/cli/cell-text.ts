/** Values as text for eyes: on one line, without anything that a terminal would obey, as wide as it says. */
import { jsonText } from './json-text.js';

/** A value as text, unaltered; null is the empty text. */
export function plainText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'object' ? jsonText(value) : String(value);
}

// What most texts are made of: a cell for each character, and nothing to hide. Splitting into graphemes takes far longer.
const plain = /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027]*$/;
const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * `text` with control characters, and those that turn the direction of writing, spelt out: data must not move the cursor,
 * colour the screen or hide itself. `keep` are those that may stay.
 *
 * @example visible('a\u001b[31m') // 'a\\u001b[31m'
 */
export function visible(text: string, keep = ''): string {
  if (plain.test(text)) return text;
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069\ufeff]/gu, (char) => {
    if (keep.includes(char)) return char;
    return shortEscapes[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
// East Asian scripts, their full-width forms, and pictures take two cells.
const wide =
  /^[\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u;
const invisible = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Cells that `text` takes on a terminal. */
export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += cells(segment);
  return width;
}

function cells(grapheme: string): number {
  if (invisible.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}

/** `text`, or as much of it as fits into `width` cells with a `…` behind. */
export function cut(text: string, width: number): string {
  if (plain.test(text)) return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
  let used = 0;
  let fitting = 0; // what stays if there is more to come
  for (const { segment, index } of segmenter.segment(text)) {
    if (used < width) fitting = index;
    used += cells(segment);
    if (used > width) return `${text.slice(0, fitting)}…`;
  }
  return text;
}
