/**
 * JSON without lost digits: integers that a double cannot hold become bigint.
 *
 * Invariant 1: the result equals `JSON.parse`, apart from integer literals beyond 2^53 - 1, which are exact bigints.
 */

/** A parsed value; `hasBigInt` tells whether a bigint is somewhere inside. */
export interface DecodedJson {
  readonly value: unknown;
  readonly hasBigInt: boolean;
}

// 2^53 has 16 digits. Anything of 16 digits that may start a number and is not followed by a fraction or an exponent;
// a hit inside a string only costs the slower parser, a miss is impossible.
const longDigits = 16;
const longInteger = /(?:^|[[,:\s-])\d{16,}(?![\d.eE])/;

/** Parses `text`, with the engine's own parser unless a long integer may be inside. @throws SyntaxError */
export function decodeJson(text: string): DecodedJson {
  if (!hasLongDigits(text) || !longInteger.test(text)) {
    return { value: JSON.parse(text) as unknown, hasBigInt: false };
  }
  const cursor = new Cursor(text);
  const value = cursor.document();
  return { value, hasBigInt: cursor.hasBigInt };
}

/** Whether 16 digits stand in a row. They cover one place in sixteen, so only those places are looked at first. */
function hasLongDigits(text: string): boolean {
  for (let at = longDigits - 1; at < text.length; at += longDigits) {
    if (!isDigit(text, at)) continue;
    let first = at;
    while (first > 0 && isDigit(text, first - 1)) first--;
    let end = at + 1;
    while (end - first < longDigits && isDigit(text, end)) end++;
    if (end - first >= longDigits) return true;
  }
  return false;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

const numberLiteral = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const whitespace = /[ \t\n\r]*/y;

/** A recursive-descent parser that leaves all rare cases (escapes, errors in strings) to `JSON.parse`. */
class Cursor {
  hasBigInt = false;
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  document(): unknown {
    this.skipSpace();
    const value = this.value();
    this.skipSpace();
    if (this.at < this.text.length) throw this.unexpected();
    return value;
  }

  private value(): unknown {
    switch (this.text.charCodeAt(this.at)) {
      case 0x5b:
        return this.array();
      case 0x7b:
        return this.object();
      case 0x22:
        return this.string();
      case 0x74:
        return this.word('true', true);
      case 0x66:
        return this.word('false', false);
      case 0x6e:
        return this.word('null', null);
      default:
        return this.number();
    }
  }

  private array(): unknown[] {
    const items: unknown[] = [];
    this.at++;
    this.skipSpace();
    if (this.take(0x5d)) return items;
    for (;;) {
      items.push(this.value());
      this.skipSpace();
      if (this.take(0x5d)) return items;
      if (!this.take(0x2c)) throw this.unexpected();
      this.skipSpace();
    }
  }

  private object(): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    this.at++;
    this.skipSpace();
    if (this.take(0x7d)) return members;
    for (;;) {
      if (this.text.charCodeAt(this.at) !== 0x22) throw this.unexpected();
      const key = this.string();
      this.skipSpace();
      if (!this.take(0x3a)) throw this.unexpected();
      this.skipSpace();
      setOwn(members, key, this.value());
      this.skipSpace();
      if (this.take(0x7d)) return members;
      if (!this.take(0x2c)) throw this.unexpected();
      this.skipSpace();
    }
  }

  private string(): string {
    const start = this.at;
    let end = this.text.indexOf('"', start + 1);
    while (end > 0 && this.isEscaped(end)) end = this.text.indexOf('"', end + 1);
    if (end < 0) throw new SyntaxError('Unterminated string in JSON');
    this.at = end + 1;
    // JSON.parse decodes the escapes and refuses raw control characters.
    return JSON.parse(this.text.slice(start, this.at)) as string;
  }

  private isEscaped(quote: number): boolean {
    let first = quote;
    while (this.text.charCodeAt(first - 1) === 0x5c) first--;
    return (quote - first) % 2 === 1;
  }

  private number(): number | bigint {
    numberLiteral.lastIndex = this.at;
    const match = numberLiteral.exec(this.text);
    if (!match) throw this.unexpected();
    this.at = numberLiteral.lastIndex;
    const literal = match[0];
    const value = Number(literal);
    if (match[1] !== undefined || match[2] !== undefined || Number.isSafeInteger(value)) return value;
    this.hasBigInt = true;
    return BigInt(literal);
  }

  private word(word: string, value: unknown): unknown {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected();
    this.at += word.length;
    return value;
  }

  private take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at++;
    return true;
  }

  private skipSpace(): void {
    // Druid writes no white space, so the common case is one comparison.
    if (this.text.charCodeAt(this.at) > 0x20) return;
    whitespace.lastIndex = this.at;
    whitespace.exec(this.text);
    this.at = whitespace.lastIndex;
  }

  private unexpected(): SyntaxError {
    const found = this.text[this.at];
    return new SyntaxError(
      found === undefined
        ? 'Unexpected end of JSON input'
        : `Unexpected token ${JSON.stringify(found)} in JSON at position ${this.at}`,
    );
  }
}

/** Sets an own member even where plain assignment would not: `__proto__` is an ordinary name in JSON. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}
