/** A recursive-descent parser for the queries of Druid SQL that this server answers. */

import { druidException, notSupported } from './druid-error.js';
import { ExpressionParser } from './sql-expression-parser.js';
import type { Expr, OrderItem, Query, Select, SelectItem, Span, TableRef } from './sql-ast.js';
import { sqlError, type Token, tokenize, unexpectedToken } from './sql-tokens.js';

/** Words that end an expression or a table and therefore are no alias. */
const NOT_AN_ALIAS = new Set(
  'FROM WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT MINUS ON USING JOIN INNER LEFT RIGHT FULL CROSS NATURAL AS WINDOW QUALIFY WITH SELECT AND OR NOT IN IS LIKE BETWEEN CASE WHEN THEN ELSE END ASC DESC NULLS FILTER OVER FOR TABLESAMPLE'.split(
    ' ',
  ),
);

/**
 * Parses one statement.
 *
 * @throws DruidHttpError 400 for a syntax error, 501 for syntax that exists in Druid but not here.
 */
export function parseQuery(sql: string): Query {
  const parser = new QueryParser(tokenize(sql));
  return parser.statement();
}

class QueryParser extends ExpressionParser {
  statement(): Query {
    const first = this.peek();
    if (
      [
        'INSERT',
        'REPLACE',
        'UPDATE',
        'DELETE',
        'CREATE',
        'DROP',
        'ALTER',
        'SET',
        'EXPLAIN',
        'VALUES',
      ].includes(first.key)
    ) {
      if (first.key === 'INSERT' || first.key === 'REPLACE') {
        throw druidException(
          `${first.key} operations are not supported by requested SQL engine [native], consider using MSQ.`,
          { context: { sourceType: 'sql' } },
        );
      }
      if (first.key === 'EXPLAIN' || first.key === 'VALUES') throw notSupported(`A ${first.key} statement`);
      throw unexpectedToken(first, '"SELECT", "WITH"');
    }
    const query = this.query();
    if (this.peek().kind !== 'end') throw unexpectedToken(this.peek(), '<EOF>');
    return query;
  }

  override query(): Query {
    const ctes: Query['ctes'] = [];
    if (this.accept('WITH')) {
      do {
        const name = this.identifier();
        this.expect('AS');
        this.expect('(');
        ctes.push({ name, query: this.query() });
        this.expect(')');
      } while (this.accept(','));
    }
    const selects = [this.select()];
    while (this.accept('UNION')) {
      if (!this.accept('ALL')) throw notSupported('UNION without ALL');
      selects.push(this.select());
    }
    if (['INTERSECT', 'EXCEPT', 'MINUS', 'WINDOW', 'QUALIFY'].includes(this.peek().key))
      throw notSupported(this.peek().key);
    const orderBy = this.accept('ORDER') ? this.orderBy() : [];
    let limit: Expr | undefined;
    let offset: Expr | undefined;
    for (;;) {
      if (this.accept('LIMIT')) limit = this.primary();
      else if (this.accept('OFFSET')) offset = this.primary();
      else break;
    }
    if (this.peek().key === 'FETCH') throw notSupported('FETCH');
    return { ctes, selects, orderBy, limit, offset };
  }

  private select(): Select {
    this.expect('SELECT');
    const distinct = this.accept('DISTINCT');
    if (!distinct) this.accept('ALL');
    const items: SelectItem[] = [];
    do items.push(this.selectItem());
    while (this.accept(','));
    const from = this.accept('FROM') ? this.tables() : undefined;
    const where = this.accept('WHERE') ? this.expression() : undefined;
    let groupBy: Expr[] | undefined;
    if (this.accept('GROUP')) {
      this.expect('BY');
      if (['GROUPING', 'ROLLUP', 'CUBE'].includes(this.peek().key))
        throw notSupported(`GROUP BY ${this.peek().key}`);
      groupBy = [];
      do groupBy.push(this.expression());
      while (this.accept(','));
    }
    const having = this.accept('HAVING') ? this.expression() : undefined;
    return { distinct, items, from, where, groupBy, having };
  }

  private selectItem(): SelectItem {
    const start = this.peek();
    if (this.accept('*')) return { expr: undefined, table: undefined, alias: undefined, span: start.span };
    if (
      (start.kind === 'word' || start.kind === 'quoted') &&
      this.peek(1).key === '.' &&
      this.peek(2).key === '*'
    ) {
      this.skip(3);
      return { expr: undefined, table: start.text, alias: undefined, span: start.span };
    }
    const expr = this.expression();
    return { expr, table: undefined, alias: this.alias(), span: expr.span };
  }

  private alias(): string | undefined {
    if (this.accept('AS')) return this.identifier();
    const next = this.peek();
    if (next.kind === 'quoted' || (next.kind === 'word' && !NOT_AN_ALIAS.has(next.key)))
      return this.identifier();
    return undefined;
  }

  private orderBy(): OrderItem[] {
    this.expect('BY');
    const items: OrderItem[] = [];
    do {
      const expr = this.expression();
      const descending = this.accept('DESC');
      if (!descending) this.accept('ASC');
      items.push({ expr, descending });
      if (this.accept('NULLS')) this.checkNulls(descending, expr.span);
    } while (this.accept(','));
    return items;
  }

  /** Druid sorts nulls first ascending and last descending, and refuses anything else. */
  private checkNulls(descending: boolean, from: Span): void {
    const token = this.next();
    if (token.key !== 'FIRST' && token.key !== 'LAST') throw unexpectedToken(token, '"FIRST", "LAST"');
    const natural = descending ? 'LAST' : 'FIRST';
    if (token.key !== natural) {
      throw sqlError(
        `${descending ? 'DESCENDING' : 'ASCENDING'} ordering with NULLS ${token.key} is not supported!`,
        {
          ...from,
          endLine: token.span.endLine,
          endColumn: token.span.endColumn,
        },
      );
    }
  }

  private tables(): TableRef {
    let left = this.table();
    for (;;) {
      const start: Token = this.peek();
      if (this.accept(',')) {
        if (this.peek().key === 'UNNEST') throw notSupported('UNNEST');
        left = { kind: 'join', left, right: this.table(), type: 'CROSS', on: undefined, span: start.span };
        continue;
      }
      const type = this.joinType();
      if (!type) return left;
      const right = this.table();
      let on: Expr | undefined;
      if (type !== 'CROSS') {
        if (this.peek().key === 'USING') throw notSupported('JOIN … USING');
        this.expect('ON');
        on = this.expression();
      }
      left = { kind: 'join', left, right, type, on, span: start.span };
    }
  }

  private joinType(): 'INNER' | 'LEFT' | 'CROSS' | undefined {
    if (this.accept('JOIN')) return 'INNER';
    if (this.accept('INNER')) {
      this.expect('JOIN');
      return 'INNER';
    }
    if (this.accept('LEFT')) {
      this.accept('OUTER');
      this.expect('JOIN');
      return 'LEFT';
    }
    if (this.accept('CROSS')) {
      this.expect('JOIN');
      return 'CROSS';
    }
    const { key } = this.peek();
    if (['RIGHT', 'FULL', 'NATURAL'].includes(key)) throw notSupported(`A ${key} join`);
    return undefined;
  }

  private table(): TableRef {
    const start = this.peek();
    if (this.accept('(')) {
      const query = this.query();
      this.expect(')');
      return { kind: 'query', query, alias: this.alias(), span: start.span };
    }
    if (['TABLE', 'UNNEST', 'LATERAL'].includes(start.key)) throw notSupported(start.key);
    const path = [this.identifier()];
    let end = start.span;
    while (this.accept('.')) {
      end = this.peek().span;
      path.push(this.identifier());
    }
    const span = { ...start.span, endLine: end.endLine, endColumn: end.endColumn };
    return { kind: 'table', path, alias: this.alias(), span };
  }
}
