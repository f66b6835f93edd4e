/** Splits a statement into tokens, with the positions that Druid's error messages give. */

import { druidException } from './druid-error.js';
import type { Span } from './sql-ast.js';

export interface Token {
  kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol' | 'end';
  /** Identifiers and symbols as written; strings without their quotes. */
  text: string;
  /** Upper case, for comparing key words; empty unless `kind` is word or symbol. */
  key: string;
  span: Span;
}

const PATTERN =
  /\s+|--[^\r\n]*|\/\*[\s\S]*?\*\/|(?<unicode>[Uu]&'[^']*(?:''[^']*)*')|(?<string>'[^']*(?:''[^']*)*')|(?<quoted>"(?:[^"\r\n]|"")+")|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?<word>[\p{L}_$][\p{L}\p{N}_$]*)|(?<symbol><>|<=|>=|!=|\|\||[-+*/%(),.<>=?;[\]:])/uy;

/** @throws DruidHttpError 400 at the first character that starts no token. */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineStart = 0;
  let at = 0;
  while (at < sql.length) {
    PATTERN.lastIndex = at;
    const match = PATTERN.exec(sql);
    if (!match) throw lexicalError(sql, line, at - lineStart + 1, at);
    const text = match[0];
    const start = { line, column: at - lineStart + 1 };
    for (let next = text.indexOf('\n'); next >= 0; next = text.indexOf('\n', next + 1)) {
      line += 1;
      lineStart = at + next + 1;
    }
    at += text.length;
    const token = toToken(match, { ...start, endLine: line, endColumn: Math.max(at - lineStart, 1) });
    if (token) tokens.push(token);
  }
  const last = tokens.at(-1)?.span;
  const span = {
    line: last?.endLine ?? 0,
    column: last?.endColumn ?? 0,
    endLine: last?.endLine ?? 0,
    endColumn: last?.endColumn ?? 0,
  };
  tokens.push({ kind: 'end', text: '<EOF>', key: '<EOF>', span });
  return tokens;
}

function toToken(match: RegExpExecArray, span: Span): Token | undefined {
  const { unicode, string, quoted, number, word, symbol } = match.groups as Record<
    string,
    string | undefined
  >;
  if (unicode !== undefined) {
    const text = unquote(unicode.slice(2), "'").replace(/\\([0-9a-fA-F]{4})/g, (_, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    );
    return { kind: 'string', text, key: '', span };
  }
  if (string !== undefined) return { kind: 'string', text: unquote(string, "'"), key: '', span };
  if (quoted !== undefined) return { kind: 'quoted', text: unquote(quoted, '"'), key: '', span };
  if (number !== undefined) return { kind: 'number', text: number, key: '', span };
  if (word !== undefined) return { kind: 'word', text: word, key: word.toUpperCase(), span };
  if (symbol !== undefined) return { kind: 'symbol', text: symbol, key: symbol, span };
  return undefined;
}

const unquote = (text: string, quote: string): string => text.slice(1, -1).replaceAll(quote + quote, quote);

function lexicalError(sql: string, line: number, column: number, at: number): Error {
  const shown = sql.slice(at, at + 1);
  return druidException(`Lexical error at line ${line}, column ${column}.  Encountered: "${shown}"`, {
    context: { sourceType: 'sql' },
  });
}

/** `context` of errors that point at a place in the statement. */
export const spanContext = (span: Span): Record<string, string> => ({
  sourceType: 'sql',
  line: String(span.line),
  column: String(span.column),
  endLine: String(span.endLine),
  endColumn: String(span.endColumn),
});

/** A 400 that names a place: `message (line [1], column [8])`. */
export function sqlError(message: string, span: Span): Error {
  return druidException(`${message} (line [${span.line}], column [${span.column}])`, {
    context: spanContext(span),
  });
}

/** The 400 for a token that fits nowhere. */
export function unexpectedToken(token: Token, expected: string): Error {
  const { span, text } = token;
  const message = `Received an unexpected token [${text}] (line [${span.line}], column [${span.column}]), acceptable options: [${expected}]`;
  return druidException(message, {
    context: { ...spanContext(span), token: text, expected: `[${expected}]` },
  });
}
