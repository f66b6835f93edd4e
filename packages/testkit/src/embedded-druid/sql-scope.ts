/** Name resolution: which relation and column an identifier means, case-sensitively, with Calcite's messages. */

import type { Expr, ExprOf, Query, Span, SqlType } from './sql-ast.js';
import { sqlError } from './sql-tokens.js';
import type { Typed } from './sql-typed.js';

export interface ScopeColumn {
  name: string;
  type: SqlType;
  sql: string;
}

export interface Relation {
  alias: string;
  columns: ScopeColumn[];
}

/** How columns and aggregates are read at this place of a query. */
export interface Scope {
  relations: Relation[];
  /** Texts of the grouping keys once a query is grouped; undefined in WHERE, ON and inside aggregates. */
  groupKeys: ReadonlySet<string> | undefined;
  /** True where an aggregate may stand. */
  aggregates: boolean;
}

/** A parameter of a statement, already read. */
export interface SqlParameter {
  type: SqlType;
  value: string | number | bigint | boolean | null;
}

/** What expressions need besides their scope. */
export interface ExpressionContext {
  params: readonly SqlParameter[];
  nowMs: number;
  /** Whether COUNT(DISTINCT) is exact (`useApproximateCountDistinct: false`). */
  exactDistinct: boolean;
  /** Plans a sub-query of `IN (SELECT …)`; the result has one column `o0`. */
  planSubquery(query: Query): { sql: string; type: SqlType };
}

/** Plans an expression; handed to functions, so that they need not know the planner. */
export type PlanExpression = (expr: Expr, scope: Scope, context: ExpressionContext) => Typed;

export function resolveColumn(scope: Scope, expr: ExprOf<'column'>): Typed {
  const { path, span } = expr;
  const name = path.at(-1) as string;
  const qualifier = path.length > 1 ? (path.at(-2) as string) : undefined;
  const relations =
    qualifier === undefined ? scope.relations : scope.relations.filter(({ alias }) => alias === qualifier);
  if (qualifier !== undefined && relations.length === 0)
    throw sqlError(`Table '${qualifier}' not found`, span);
  const found = relations.flatMap(({ columns }) => columns.filter((column) => column.name === name));
  if (found.length > 1) throw sqlError(`Column '${name}' is ambiguous`, span);
  const [column] = found;
  if (!column) throw columnNotFound(name, relations, qualifier, span);
  const ungrouped =
    scope.groupKeys && !scope.groupKeys.has(column.sql) ? { name: path.join('.'), span } : undefined;
  return { sql: column.sql, type: column.type, ungrouped };
}

function columnNotFound(
  name: string,
  relations: readonly Relation[],
  qualifier: string | undefined,
  span: Span,
): Error {
  const similar = relations
    .flatMap(({ columns }) => columns)
    .find((column) => column.name.toLowerCase() === name.toLowerCase());
  const where = qualifier === undefined ? 'in any table' : `in table '${qualifier}'`;
  const hint = similar ? `; did you mean '${similar.name}'?` : '';
  return sqlError(`Column '${name}' not found ${where}${hint}`, span);
}
