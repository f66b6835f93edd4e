/** Gives every expression its Druid type and its DuckDB text. */

import { druidException, notSupported } from './druid-error.js';
import { javaDouble } from './json-text.js';
import type { Expr, ExprOf } from './sql-ast.js';
import { planCast } from './sql-casts.js';
import { planCall } from './sql-functions.js';
import { planExtract, planRoundTime, shiftTime } from './sql-time.js';
import { arithmetic, boolean, cannotApply, text, unify } from './sql-operators.js';
import { type ExpressionContext, resolveColumn, type Scope, type SqlParameter } from './sql-scope.js';
import { sqlError } from './sql-tokens.js';
import { quoted } from './store.js';
import {
  commonType,
  derive,
  duckType,
  isInteger,
  isNumeric,
  isText,
  isTime,
  timestampLiteral,
  timeText,
  type Typed,
} from './sql-typed.js';

export function planExpression(expr: Expr, scope: Scope, context: ExpressionContext): Typed {
  const typed = planNode(expr, scope, context);
  // A whole expression that is a grouping key is grouped, whatever its parts are.
  return typed.ungrouped && scope.groupKeys?.has(typed.sql) ? { ...typed, ungrouped: undefined } : typed;
}

function planNode(expr: Expr, scope: Scope, context: ExpressionContext): Typed {
  const plan = (node: Expr): Typed => planExpression(node, scope, context);
  switch (expr.kind) {
    case 'literal':
      return planLiteral(expr);
    case 'param':
      return planParameter(context.params[expr.index], expr.index);
    case 'column':
      return resolveColumn(scope, expr);
    case 'interval':
      throw notSupported('INTERVAL outside an addition to a time');
    case 'unary':
      return planUnary(expr, plan(expr.operand));
    case 'binary':
      return planBinary(expr, plan);
    case 'isNull': {
      const operand = plan(expr.operand);
      return derive(`(${operand.sql} IS ${expr.negated ? 'NOT ' : ''}NULL)`, 'BOOLEAN', operand);
    }
    case 'isTruth': {
      const operand = boolean(plan(expr.operand), expr.operand);
      const test = `IS ${expr.negated ? 'NOT ' : ''}${String(expr.truth).toUpperCase()}`;
      return derive(`(${operand.sql} ${test})`, 'BOOLEAN', operand);
    }
    case 'between': {
      const low = compare('>=', expr.operand, expr.low, plan);
      const high = compare('<=', expr.operand, expr.high, plan);
      return derive(`(${expr.negated ? 'NOT ' : ''}(${low.sql} AND ${high.sql}))`, 'BOOLEAN', low, high);
    }
    case 'in': {
      const tests = expr.list.map((item) => compare('=', expr.operand, item, plan));
      const any = tests.map(({ sql }) => sql).join(' OR ');
      return derive(`(${expr.negated ? 'NOT ' : ''}(${any}))`, 'BOOLEAN', ...tests);
    }
    case 'inQuery':
      return planInQuery(expr, plan, context);
    case 'like': {
      const operand = text(plan(expr.operand), expr.operand);
      const pattern = text(plan(expr.pattern), expr.pattern);
      const escape = expr.escape ? ` ESCAPE ${plan(expr.escape).sql}` : '';
      return derive(
        `(${operand.sql} ${expr.negated ? 'NOT ' : ''}LIKE ${pattern.sql}${escape})`,
        'BOOLEAN',
        operand,
        pattern,
      );
    }
    case 'case':
      return planCase(expr, plan);
    case 'cast':
      return planCast(plan(expr.operand), expr);
    case 'roundTime':
      return planRoundTime(plan(expr.operand), expr);
    case 'extract':
      return planExtract(plan(expr.operand), expr.unit, expr.span);
    case 'call':
      return planCall(expr, scope, context, planExpression);
  }
}

function planLiteral({ type, text: value, span }: ExprOf<'literal'>): Typed {
  switch (type) {
    case 'CHAR':
      return { sql: quoted(value), type, text: value };
    case 'TIMESTAMP':
    case 'DATE':
      return { sql: longLiteral(BigInt(timestampLiteral(type, value, span))), type };
    case 'NULL':
      return { sql: 'NULL', type };
    case 'BOOLEAN':
      return { sql: value, type };
    case 'DOUBLE':
    case 'DECIMAL':
      return { sql: doubleLiteral(Number(value)), type };
    default:
      return { sql: longLiteral(BigInt(value)), type };
  }
}

const longLiteral = (value: bigint): string => `CAST(${value} AS BIGINT)`;
const doubleLiteral = (value: number): string => `CAST('${javaDouble(value)}' AS DOUBLE)`;

function planParameter(param: SqlParameter | undefined, index: number): Typed {
  if (!param)
    throw druidException(`No value bound for parameter (position [${index + 1}])`, {
      context: { sourceType: 'sql' },
    });
  const { type, value } = param;
  if (value === null) return { sql: `CAST(NULL AS ${duckType(type)})`, type };
  if (isText(type)) return { sql: quoted(String(value)), type: 'CHAR', text: String(value) };
  if (type === 'BOOLEAN') return { sql: String(value), type };
  if (duckType(type) === 'BIGINT') {
    const exact = BigInt(value);
    // Calcite gives a bound number the type of the literal that it becomes.
    const narrow = type === 'BIGINT' && exact >= -2147483648n && exact <= 2147483647n;
    return { sql: longLiteral(exact), type: narrow ? 'INTEGER' : type };
  }
  return { sql: doubleLiteral(Number(value)), type };
}

function planUnary(expr: ExprOf<'unary'>, operand: Typed): Typed {
  if (expr.op === 'NOT') return derive(`(NOT ${boolean(operand, expr.operand).sql})`, 'BOOLEAN', operand);
  if (!isNumeric(operand.type)) throw cannotApply('-', expr, [operand]);
  return derive(`(-${operand.sql})`, operand.type, operand);
}

function planBinary(expr: ExprOf<'binary'>, plan: (node: Expr) => Typed): Typed {
  const { op } = expr;
  if (op === 'AND' || op === 'OR') {
    const left = boolean(plan(expr.left), expr.left);
    const right = boolean(plan(expr.right), expr.right);
    return derive(`(${left.sql} ${op} ${right.sql})`, 'BOOLEAN', left, right);
  }
  if (['=', '<>', '<', '<=', '>', '>='].includes(op)) return compare(op, expr.left, expr.right, plan);
  if (expr.right.kind === 'interval' && (op === '+' || op === '-')) {
    const left = plan(expr.left);
    if (!isTime(left.type)) throw cannotApply(op, expr, [left]);
    return shiftTime(left, expr.right, op === '-' ? -1 : 1);
  }
  const left = plan(expr.left);
  const right = plan(expr.right);
  if (op === '||')
    return derive(`(${text(left, expr.left).sql} || ${text(right, expr.right).sql})`, 'VARCHAR', left, right);
  return arithmetic(op, left, right, expr);
}

function compare(op: string, leftExpr: Expr, rightExpr: Expr, plan: (node: Expr) => Typed): Typed {
  const [left, right] = alignLiterals(plan(leftExpr), plan(rightExpr), leftExpr, rightExpr);
  if (!commonType(left.type, right.type)) {
    if (left.type === 'BOOLEAN' || right.type === 'BOOLEAN' || isTime(left.type) || isTime(right.type)) {
      throw sqlError(
        `Cannot apply '${op}' to arguments of type '<${left.type}> ${op} <${right.type}>'.`,
        leftExpr.span,
      );
    }
    throw notSupported(`A comparison of ${left.type} with ${right.type}`);
  }
  return derive(`(${left.sql} ${op} ${right.sql})`, 'BOOLEAN', left, right);
}

/** Reads string literals as the type they are compared with. */
function alignLiterals(left: Typed, right: Typed, leftExpr: Expr, rightExpr: Expr): [Typed, Typed] {
  return [alignLiteral(left, right, leftExpr), alignLiteral(right, left, rightExpr)];
}

function alignLiteral(literal: Typed, other: Typed, expr: Expr): Typed {
  if (literal.text === undefined || isText(other.type)) return literal;
  if (isTime(other.type))
    return { sql: longLiteral(BigInt(timeText(literal.text, expr.span))), type: other.type };
  if (isInteger(other.type) && /^-?\d{1,18}$/.test(literal.text))
    return { sql: longLiteral(BigInt(literal.text)), type: 'BIGINT' };
  if (isNumeric(other.type) && /^-?\d+(\.\d+)?$/.test(literal.text))
    return { sql: doubleLiteral(Number(literal.text)), type: 'DOUBLE' };
  return literal;
}

function planInQuery(
  expr: ExprOf<'inQuery'>,
  plan: (node: Expr) => Typed,
  context: ExpressionContext,
): Typed {
  const operand = plan(expr.operand);
  const query = context.planSubquery(expr.query);
  if (!commonType(operand.type, query.type)) throw notSupported(`${operand.type} IN (SELECT ${query.type})`);
  return derive(
    `(${operand.sql} ${expr.negated ? 'NOT ' : ''}IN (SELECT o0 FROM (${query.sql})))`,
    'BOOLEAN',
    operand,
  );
}

function planCase(expr: ExprOf<'case'>, plan: (node: Expr) => Typed): Typed {
  const { operand } = expr;
  const branches = expr.branches.map(({ when, then }) => ({
    when: operand ? compare('=', operand, when, plan) : boolean(plan(when), when),
    then: plan(then),
  }));
  const otherwise = expr.otherwise ? plan(expr.otherwise) : { sql: 'NULL', type: 'NULL' as const };
  const values = [...branches.map(({ then }) => then), otherwise];
  const type = unify(values, expr);
  const cases = branches.map(({ when, then }) => `WHEN ${when.sql} THEN ${then.sql}`).join(' ');
  return derive(
    `(CASE ${cases} ELSE ${otherwise.sql} END)`,
    type,
    ...branches.map(({ when }) => when),
    ...values,
  );
}
