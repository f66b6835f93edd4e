/** Parses expressions; the part of the SQL parser below `SELECT`. */

import { druidException, notSupported } from './druid-error.js';
import type { Expr, Query, Span, SqlType } from './sql-ast.js';
import { sqlError, type Token, unexpectedToken } from './sql-tokens.js';

const COMPARISONS = new Set(['=', '<>', '!=', '<', '<=', '>', '>=']);
const INT_MAX = 2_147_483_647n;
const LONG_MAX = 9_223_372_036_854_775_807n;
/** Words that cannot start an expression. */
const RESERVED = new Set(
  'FROM WHERE GROUP HAVING ORDER LIMIT OFFSET UNION ON AND OR AS BY THEN ELSE END WHEN SELECT DAY HOUR MINUTE MONTH SECOND YEAR'.split(
    ' ',
  ),
);

const covering = (from: Span, to: Span): Span => ({ ...from, endLine: to.endLine, endColumn: to.endColumn });

export abstract class ExpressionParser {
  readonly #tokens: Token[];
  #at = 0;
  #params = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  abstract query(): Query;

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)] as Token;
  }

  next(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  skip(count: number): void {
    this.#at += count;
  }

  accept(key: string): boolean {
    const found = this.peek().key === key;
    if (found) this.#at += 1;
    return found;
  }

  expect(key: string): Token {
    if (this.peek().key !== key) throw unexpectedToken(this.peek(), `"${key}"`);
    return this.next();
  }

  identifier(): string {
    const token = this.next();
    if (token.kind !== 'word' && token.kind !== 'quoted')
      throw unexpectedToken(token, '<IDENTIFIER>, <QUOTED_IDENTIFIER>');
    return token.text;
  }

  expression(): Expr {
    let left = this.conjunction();
    while (this.accept('OR')) left = this.#binary('OR', left, this.conjunction());
    return left;
  }

  private conjunction(): Expr {
    let left = this.negation();
    while (this.accept('AND')) left = this.#binary('AND', left, this.negation());
    return left;
  }

  private negation(): Expr {
    const start = this.peek();
    if (!this.accept('NOT')) return this.predicate();
    const operand = this.negation();
    return { kind: 'unary', op: 'NOT', operand, span: covering(start.span, operand.span) };
  }

  private predicate(): Expr {
    let left = this.additive();
    for (;;) {
      const { key } = this.peek();
      if (COMPARISONS.has(key)) {
        this.next();
        left = this.#binary(key === '!=' ? '<>' : key, left, this.additive());
        continue;
      }
      if (this.accept('IS')) {
        left = this.#isPredicate(left);
        continue;
      }
      const negated = key === 'NOT' && ['IN', 'LIKE', 'BETWEEN'].includes(this.peek(1).key);
      if (negated) this.next();
      if (this.accept('BETWEEN')) {
        this.accept('ASYMMETRIC');
        const low = this.additive();
        this.expect('AND');
        const high = this.additive();
        left = { kind: 'between', operand: left, low, high, negated, span: covering(left.span, high.span) };
      } else if (this.accept('LIKE')) {
        const pattern = this.additive();
        const escape = this.accept('ESCAPE') ? this.primary() : undefined;
        left = {
          kind: 'like',
          operand: left,
          pattern,
          escape,
          negated,
          span: covering(left.span, pattern.span),
        };
      } else if (this.accept('IN')) {
        left = this.#inPredicate(left, negated);
      } else {
        return left;
      }
    }
  }

  #isPredicate(operand: Expr): Expr {
    const negated = this.accept('NOT');
    const token = this.next();
    const span = covering(operand.span, token.span);
    if (token.key === 'NULL') return { kind: 'isNull', operand, negated, span };
    if (token.key === 'TRUE' || token.key === 'FALSE') {
      return { kind: 'isTruth', operand, truth: token.key === 'TRUE', negated, span };
    }
    if (token.key === 'DISTINCT') throw notSupported('IS DISTINCT FROM');
    throw unexpectedToken(token, '"NULL", "TRUE", "FALSE"');
  }

  #inPredicate(operand: Expr, negated: boolean): Expr {
    this.expect('(');
    if (this.peek().key === 'SELECT' || this.peek().key === 'WITH') {
      const query = this.query();
      const end = this.expect(')');
      return { kind: 'inQuery', operand, query, negated, span: covering(operand.span, end.span) };
    }
    const list: Expr[] = [];
    do list.push(this.expression());
    while (this.accept(','));
    const end = this.expect(')');
    return { kind: 'in', operand, list, negated, span: covering(operand.span, end.span) };
  }

  private additive(): Expr {
    let left = this.multiplicative();
    for (;;) {
      const { key } = this.peek();
      if (key !== '+' && key !== '-' && key !== '||') return left;
      this.next();
      left = this.#binary(key, left, this.multiplicative());
    }
  }

  private multiplicative(): Expr {
    let left = this.unary();
    for (;;) {
      const { key } = this.peek();
      if (key === '%') {
        throw druidException("Percent remainder '%' is not allowed under the current SQL conformance level", {
          context: { sourceType: 'sql' },
        });
      }
      if (key !== '*' && key !== '/') return left;
      this.next();
      left = this.#binary(key, left, this.unary());
    }
  }

  private unary(): Expr {
    const start = this.peek();
    if (this.accept('+')) return this.unary();
    if (!this.accept('-')) return this.primary();
    const operand = this.unary();
    return { kind: 'unary', op: '-', operand, span: covering(start.span, operand.span) };
  }

  #binary(op: string, left: Expr, right: Expr): Expr {
    return { kind: 'binary', op, left, right, span: covering(left.span, right.span) };
  }

  primary(): Expr {
    const token = this.next();
    const { span } = token;
    switch (token.kind) {
      case 'string':
        return { kind: 'literal', type: 'CHAR', text: token.text, span };
      case 'number':
        return { kind: 'literal', type: numberType(token), text: token.text, span };
      case 'quoted':
        return this.#column(token);
      case 'word':
        return this.#word(token);
      case 'symbol':
        if (token.key === '?') return { kind: 'param', index: this.#params++, span };
        if (token.key === '(') {
          if (this.peek().key === 'SELECT') throw notSupported('A scalar sub-query');
          const inner = this.expression();
          this.expect(')');
          return inner;
        }
        throw unexpectedToken(token, 'an expression');
      case 'end':
        throw unexpectedToken(token, 'an expression');
    }
  }

  #word(token: Token): Expr {
    const { key, span } = token;
    switch (key) {
      case 'NULL':
        return { kind: 'literal', type: 'NULL', text: '', span };
      case 'TRUE':
      case 'FALSE':
        return { kind: 'literal', type: 'BOOLEAN', text: key.toLowerCase(), span };
      case 'TIMESTAMP':
      case 'DATE':
        if (this.peek().kind === 'string') {
          const value = this.next();
          return { kind: 'literal', type: key, text: value.text, span: covering(span, value.span) };
        }
        break;
      case 'INTERVAL':
        return this.#interval(token);
      case 'CASE':
        return this.#case(token);
      case 'CURRENT_TIMESTAMP':
        return { kind: 'call', name: key, args: [], star: false, distinct: false, filter: undefined, span };
      case 'ARRAY':
        throw notSupported('ARRAY');
      default:
    }
    if (this.peek().key === '(') return this.#call(token);
    if (RESERVED.has(key)) throw unexpectedToken(token, 'an expression');
    return this.#column(token);
  }

  #column(first: Token): Expr {
    const path = [first.text];
    let end = first.span;
    while (this.peek().key === '.' && this.peek(1).key !== '*') {
      this.next();
      end = this.peek().span;
      path.push(this.identifier());
    }
    return { kind: 'column', path, span: covering(first.span, end) };
  }

  #interval(start: Token): Expr {
    const amount = this.next();
    const unit = this.next();
    if (amount.kind !== 'string' || !/^-?\d+$/.test(amount.text)) throw notSupported('This form of INTERVAL');
    if (this.peek().key === 'TO') throw notSupported('INTERVAL … TO …');
    return {
      kind: 'interval',
      amount: Number(amount.text),
      unit: unit.key,
      span: covering(start.span, unit.span),
    };
  }

  #case(start: Token): Expr {
    const operand = this.peek().key === 'WHEN' ? undefined : this.expression();
    const branches: { when: Expr; then: Expr }[] = [];
    while (this.accept('WHEN')) {
      const when = this.expression();
      this.expect('THEN');
      branches.push({ when, then: this.expression() });
    }
    const otherwise = this.accept('ELSE') ? this.expression() : undefined;
    const end = this.expect('END');
    return { kind: 'case', operand, branches, otherwise, span: covering(start.span, end.span) };
  }

  #call(name: Token): Expr {
    this.expect('(');
    if (name.key === 'CAST' || name.key === 'TRY_CAST' || name.key === 'SAFE_CAST') return this.#cast(name);
    if (name.key === 'EXTRACT') {
      const unit = this.next().key;
      this.expect('FROM');
      const operand = this.expression();
      const end = this.expect(')');
      return { kind: 'extract', unit, operand, span: covering(name.span, end.span) };
    }
    if (name.key === 'TRIM' || name.key === 'POSITION') this.#refuseKeywordArguments(name);
    const distinct = this.accept('DISTINCT');
    const star = this.accept('*');
    const args: Expr[] = [];
    if (!star && this.peek().key !== ')') {
      if (name.key === 'TIMESTAMPADD' || name.key === 'TIMESTAMPDIFF') throw notSupported(name.key);
      do args.push(this.expression());
      while (this.accept(','));
    }
    const rounds = name.key === 'FLOOR' || name.key === 'CEIL' || name.key === 'CEILING';
    if (rounds && this.accept('TO')) {
      const unit = this.next().key;
      const end = this.expect(')');
      return {
        kind: 'roundTime',
        operand: args[0] as Expr,
        unit,
        up: name.key !== 'FLOOR',
        span: covering(name.span, end.span),
      };
    }
    let end = this.expect(')');
    let filter: Expr | undefined;
    if (this.accept('FILTER')) {
      this.expect('(');
      this.expect('WHERE');
      filter = this.expression();
      end = this.expect(')');
    }
    if (this.peek().key === 'OVER') throw notSupported('A window function');
    return {
      kind: 'call',
      name: name.key,
      args,
      star,
      distinct,
      filter,
      span: covering(name.span, end.span),
    };
  }

  #cast(name: Token): Expr {
    if (name.key !== 'CAST') throw notSupported(name.key);
    const operand = this.expression();
    this.expect('AS');
    const type = this.next().key;
    if (this.peek().key === '(') throw notSupported('CAST to a type with a precision');
    const end = this.expect(')');
    return { kind: 'cast', operand, type, span: covering(name.span, end.span) };
  }

  #refuseKeywordArguments(name: Token): void {
    const { key } = this.peek();
    if (name.key === 'POSITION' || key === 'BOTH' || key === 'LEADING' || key === 'TRAILING')
      throw notSupported(`This form of ${name.key}`);
  }
}

function numberType(token: Token): SqlType {
  if (/[eE]/.test(token.text)) return 'DOUBLE';
  if (token.text.includes('.')) return 'DECIMAL';
  const value = BigInt(token.text);
  if (value > LONG_MAX) throw sqlError(`Numeric literal '${token.text}' out of range`, token.span);
  return value > INT_MAX ? 'BIGINT' : 'INTEGER';
}
