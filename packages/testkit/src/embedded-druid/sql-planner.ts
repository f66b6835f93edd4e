/** Turns a parsed statement into one DuckDB statement with the columns `o0`, `o1`… */

import { type Catalog, type DataSource, visibleRowsSql } from './catalog.js';
import { druidException, notSupported } from './druid-error.js';
import type { Expr, OrderItem, Query, Select, SqlType, TableRef } from './sql-ast.js';
import { planExpression } from './sql-expressions.js';
import { boolean } from './sql-operators.js';
import type { ExpressionContext, Relation, Scope, ScopeColumn, SqlParameter } from './sql-scope.js';
import { sqlError } from './sql-tokens.js';
import { commonType, type Typed } from './sql-typed.js';
import { findSystemTable, type SystemTables, systemTableSql } from './system-tables.js';
import type { ColumnType } from './timeline.js';

export interface OutputColumn {
  name: string;
  type: SqlType;
}

export interface PlannedQuery {
  sql: string;
  columns: OutputColumn[];
  /** True when the rows come straight from a datasource, which Druid can order by time only. */
  isScan: boolean;
}

export interface PlannerInput {
  catalog: Catalog;
  system: SystemTables;
  params: readonly SqlParameter[];
  nowMs: number;
  exactDistinct: boolean;
}

const SQL_TYPE: Record<ColumnType, SqlType> = {
  STRING: 'VARCHAR',
  LONG: 'BIGINT',
  DOUBLE: 'DOUBLE',
  FLOAT: 'FLOAT',
};

/** @throws DruidHttpError 400 where Druid refuses the statement too, 501 where only this server does */
export function planQuery(query: Query, input: PlannerInput): PlannedQuery {
  return new Planner(input).query(query, new Map());
}

type Ctes = ReadonlyMap<string, PlannedQuery>;
interface Source extends Relation {
  from: string;
  isScan: boolean;
  /** An ORDER BY that puts rows into the order in which Druid reads segments, where the table has another. */
  scanOrder: string | undefined;
}

interface SelectPlan {
  columns: OutputColumn[];
  outputs: Typed[];
  head: string;
  scope: Scope;
  groupKeys: Typed[];
  isGrouped: boolean;
  distinct: boolean;
  isScan: boolean;
  scanOrder: string | undefined;
  items: Select['items'];
}

class Planner {
  readonly #input: PlannerInput;
  #aliases = 0;

  constructor(input: PlannerInput) {
    this.#input = input;
  }

  query(query: Query, outer: Ctes): PlannedQuery {
    const ctes = new Map(outer);
    for (const { name, query: body } of query.ctes) ctes.set(name, this.query(body, ctes));
    const context = this.#context(ctes);
    const tail = this.#limits(query, context);
    const [first, ...others] = query.selects;
    if (!first) throw new Error('a query without SELECT');
    if (others.length > 0) return this.#union(query, ctes, tail);
    const plan = this.#select(first, ctes, context);
    const order = this.#order(query.orderBy, plan, context);
    const limited = tail !== '';
    return { sql: `${plan.head}${order}${tail}`, columns: plan.columns, isScan: plan.isScan && !limited };
  }

  #context(ctes: Ctes): ExpressionContext {
    return {
      params: this.#input.params,
      nowMs: this.#input.nowMs,
      exactDistinct: this.#input.exactDistinct,
      planSubquery: (query) => {
        const planned = this.query(query, ctes);
        const [column, ...more] = planned.columns;
        if (!column || more.length > 0)
          throw druidException('A sub-query of IN must have one column', { context: { sourceType: 'sql' } });
        return { sql: planned.sql, type: column.type };
      },
    };
  }

  #limits(query: Query, context: ExpressionContext): string {
    const number = (expr: Expr | undefined, word: string): string => {
      if (!expr) return '';
      if (expr.kind === 'literal' && /^\d+$/.test(expr.text)) return ` ${word} ${expr.text}`;
      const value = expr.kind === 'param' ? context.params[expr.index]?.value : undefined;
      if (value === undefined || !/^\d+$/.test(String(value)))
        throw sqlError(`${word} needs a number`, expr.span);
      return ` ${word} ${String(value)}`;
    };
    return number(query.limit, 'LIMIT') + number(query.offset, 'OFFSET');
  }

  #union(query: Query, ctes: Ctes, tail: string): PlannedQuery {
    const plans = query.selects.map((select) => this.#select(select, ctes, this.#context(ctes)));
    const [first] = plans as [SelectPlan];
    const columns = first.columns.map(({ name }, index) => {
      const types = plans.map((plan) => plan.columns[index]?.type);
      const type = types.reduce((a, b) => (a && b ? commonType(a, b) : undefined));
      if (!type || plans.some((plan) => plan.columns.length !== first.columns.length))
        throw notSupported('A UNION ALL of different columns');
      return { name, type };
    });
    if (query.orderBy.length > 0) throw notSupported('ORDER BY of a UNION ALL');
    return {
      sql: `${plans.map(({ head }) => `(${head})`).join(' UNION ALL ')}${tail}`,
      columns,
      isScan: false,
    };
  }

  #select(select: Select, ctes: Ctes, context: ExpressionContext): SelectPlan {
    const source = select.from ? this.#source(select.from, ctes, context) : [];
    const relations: Relation[] = source;
    const rowScope: Scope = { relations, groupKeys: undefined, aggregates: false };
    const where = select.where
      ? ` WHERE ${boolean(planExpression(select.where, rowScope, context), select.where).sql}`
      : '';
    const groupKeys = (select.groupBy ?? []).map((expr) => this.#groupKey(expr, select, rowScope, context));
    const isGrouped =
      select.groupBy !== undefined ||
      select.having !== undefined ||
      select.items.some(({ expr }) => expr && hasAggregate(expr));
    const scope: Scope = {
      relations,
      groupKeys: isGrouped ? new Set(groupKeys.map(({ sql }) => sql)) : undefined,
      aggregates: true,
    };
    const { columns, outputs } = this.#outputs(select, scope, context);
    const having = select.having
      ? ` HAVING ${checked(boolean(planExpression(select.having, scope, context), select.having)).sql}`
      : '';
    const list = outputs
      .map(({ sql, type }, index) => `${type === 'NULL' ? 'CAST(NULL AS VARCHAR)' : sql} AS o${index}`)
      .join(', ');
    const from =
      source.length > 0
        ? ` FROM ${source
            .map((relation) => relation.from)
            .filter((text) => text !== '')
            .join('')}`
        : '';
    const group = groupKeys.length > 0 ? ` GROUP BY ${groupKeys.map(({ sql }) => sql).join(', ')}` : '';
    return {
      columns,
      outputs,
      head: `SELECT ${select.distinct ? 'DISTINCT ' : ''}${list}${from}${where}${group}${having}`,
      scope,
      groupKeys,
      isGrouped,
      distinct: select.distinct,
      isScan: !isGrouped && !select.distinct && source.length === 1 && (source[0]?.isScan ?? false),
      scanOrder: source.length === 1 ? source[0]?.scanOrder : undefined,
      items: select.items,
    };
  }

  #groupKey(expr: Expr, select: Select, scope: Scope, context: ExpressionContext): Typed {
    const ordinal = ordinalOf(expr);
    if (ordinal === undefined) return planExpression(expr, scope, context);
    const item = select.items[ordinal - 1]?.expr;
    if (!item) throw sqlError('Ordinal out of range', expr.span);
    if (hasAggregate(item)) throw sqlError('Aggregate expression is illegal in GROUP BY clause', item.span);
    return planExpression(item, scope, context);
  }

  #outputs(
    select: Select,
    scope: Scope,
    context: ExpressionContext,
  ): { columns: OutputColumn[]; outputs: Typed[] } {
    const columns: OutputColumn[] = [];
    const outputs: Typed[] = [];
    for (const item of select.items) {
      if (item.expr) {
        const typed = checked(planExpression(item.expr, scope, context));
        const plain = item.expr.kind === 'column' ? item.expr.path.at(-1) : undefined;
        columns.push({ name: item.alias ?? plain ?? `EXPR$${columns.length}`, type: typed.type });
        outputs.push(typed);
        continue;
      }
      const relations = scope.relations.filter(
        ({ alias }) => item.table === undefined || alias === item.table,
      );
      if (relations.length === 0)
        throw sqlError(
          item.table === undefined ? 'SELECT * requires a FROM clause' : `Table '${item.table}' not found`,
          item.span,
        );
      for (const column of relations.flatMap((relation) => relation.columns)) {
        if (scope.groupKeys && !scope.groupKeys.has(column.sql))
          throw sqlError(`Expression '${column.name}' is not being grouped`, item.span);
        columns.push({ name: column.name, type: column.type });
        outputs.push({ sql: column.sql, type: column.type });
      }
    }
    return { columns, outputs };
  }

  #order(orderBy: readonly OrderItem[], plan: SelectPlan, context: ExpressionContext): string {
    const items = orderBy.map(({ expr, descending }) => ({
      ...this.#orderTarget(expr, plan, context),
      descending,
    }));
    if (plan.isScan && items.length > 0) refuseNonTimeOrder(items);
    const texts = items.map(
      ({ sql, descending }) => `${sql} ${descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'}`,
    );
    // Groups come out in the order of their keys, and ties are broken by them, as in Druid.
    if (plan.isGrouped) texts.push(...plan.groupKeys.map(({ sql }) => `${sql} ASC NULLS FIRST`));
    else if (plan.isScan && items.length === 0 && plan.scanOrder) texts.push(plan.scanOrder);
    else if (plan.distinct && items.length === 0)
      texts.push(...plan.outputs.map((_, index) => `o${index} ASC NULLS FIRST`));
    return texts.length > 0 ? ` ORDER BY ${texts.join(', ')}` : '';
  }

  #orderTarget(expr: Expr, plan: SelectPlan, context: ExpressionContext): { sql: string; name: string } {
    const ordinal = ordinalOf(expr);
    const alias =
      expr.kind === 'column' && expr.path.length === 1
        ? plan.items.findIndex((item) => item.alias === expr.path[0])
        : -1;
    const byAlias = alias >= 0 && plan.items.slice(0, alias).every((item) => item.expr) ? alias : -1;
    const index = ordinal === undefined ? byAlias : ordinal - 1;
    if (ordinal !== undefined && !plan.outputs[index]) throw sqlError('Ordinal out of range', expr.span);
    const output = plan.outputs[index];
    if (output) return { sql: `o${index}`, name: nameOf(output.sql, plan) };
    const typed = checked(planExpression(expr, plan.scope, context));
    const same = plan.outputs.findIndex(({ sql }) => sql === typed.sql);
    if (plan.distinct && same < 0)
      throw sqlError('Expression must be in the SELECT list of a DISTINCT query', expr.span);
    return { sql: same >= 0 ? `o${same}` : typed.sql, name: nameOf(typed.sql, plan) };
  }

  /** The relations of a FROM clause; only the last one carries the text, which names all of them. */
  #source(ref: TableRef, ctes: Ctes, context: ExpressionContext): Source[] {
    if (ref.kind !== 'join') return [this.#relation(ref, ctes)];
    const left = this.#source(ref.left, ctes, context);
    const right = this.#source(ref.right, ctes, context);
    const relations = [...left, ...right];
    const scope: Scope = { relations, groupKeys: undefined, aggregates: false };
    const on = ref.on ? ` ON ${boolean(planExpression(ref.on, scope, context), ref.on).sql}` : '';
    const from = `${fromText(left)} ${ref.type} JOIN ${fromText(right)}${on}`;
    return relations.map((relation, index) => ({
      ...relation,
      isScan: false,
      from: index === 0 ? from : '',
    }));
  }

  #relation(ref: Exclude<TableRef, { kind: 'join' }>, ctes: Ctes): Source {
    this.#aliases += 1;
    const id = `r${this.#aliases}`;
    if (ref.kind === 'query') return derived(id, ref.alias ?? '', this.query(ref.query, ctes));
    const { path } = ref;
    const name = path.at(-1) as string;
    const alias = ref.alias ?? name;
    const cte = path.length === 1 ? ctes.get(name) : undefined;
    if (cte) return derived(id, alias, cte);
    const system = path.length === 2 ? findSystemTable(path[0] as string, name) : undefined;
    if (system) {
      const columns = system.columns.map(({ name: column, type }, index): ScopeColumn => ({
        name: column,
        type,
        sql: `${id}.c${index}`,
      }));
      return {
        alias,
        columns,
        from: `(${systemTableSql(system, this.#input.system)}) ${id}`,
        isScan: false,
        scanOrder: undefined,
      };
    }
    const source =
      path.length === 1 || (path.length === 2 && path[0] === 'druid')
        ? this.#input.catalog.find(name)
        : undefined;
    if (!source) throw this.#tableNotFound(ref);
    const columns = source.columns.map(({ name: column, type }, index): ScopeColumn => ({
      name: column,
      type: SQL_TYPE[type],
      sql: `${id}.c${index}`,
    }));
    const time: ScopeColumn = { name: '__time', type: 'TIMESTAMP', sql: `${id}.t` };
    const from = `(${visibleRowsSql(this.#input.catalog, source, source.columns)}) ${id}`;
    return { alias, columns: [time, ...columns], from, isScan: true, scanOrder: scanOrder(id, source) };
  }

  #tableNotFound(ref: Extract<TableRef, { kind: 'table' }>): Error {
    const [schema, name] =
      ref.path.length === 2 ? (ref.path as [string, string]) : [undefined, ref.path.at(-1) as string];
    const similar = this.#input.catalog
      .dataSources()
      .find((source) => source.name.toLowerCase() === name.toLowerCase());
    if (similar && (schema === undefined || schema === 'druid')) {
      return sqlError(`Object '${name}' not found within 'druid'; did you mean '${similar.name}'?`, ref.span);
    }
    if (schema !== undefined && ['druid', 'sys', 'INFORMATION_SCHEMA', 'lookup', 'view'].includes(schema)) {
      return sqlError(`Object '${name}' not found within '${schema}'`, ref.span);
    }
    return sqlError(`Object '${schema ?? name}' not found`, ref.span);
  }
}

const fromText = (sources: readonly Source[]): string =>
  sources.length === 1 ? (sources[0]?.from ?? '') : `(${sources.map(({ from }) => from).join('')})`;

function derived(id: string, alias: string, planned: PlannedQuery): Source {
  const columns = planned.columns.map(({ name, type }, index): ScopeColumn => ({
    name,
    type,
    sql: `${id}.o${index}`,
  }));
  return { alias, columns, from: `(${planned.sql}) ${id}`, isScan: planned.isScan, scanOrder: undefined };
}

/** Segments are read by time; rows stand in the order in which they were published. */
function scanOrder(id: string, { visible }: DataSource): string | undefined {
  const numbers = visible.map(({ segment }) => segment.no);
  if (numbers.every((no, index) => index === 0 || no > (numbers[index - 1] as number))) return undefined;
  return `list_position([${numbers.join(', ')}], ${id}.seg), ${id}.t`;
}

/** Refuses a column outside aggregates that is not grouped. */
function checked(typed: Typed): Typed {
  if (typed.ungrouped)
    throw sqlError(`Expression '${typed.ungrouped.name}' is not being grouped`, typed.ungrouped.span);
  return typed;
}

const ordinalOf = (expr: Expr): number | undefined =>
  expr.kind === 'literal' && expr.type === 'INTEGER' ? Number(expr.text) : undefined;

function nameOf(sql: string, plan: SelectPlan): string {
  return (
    plan.scope.relations.flatMap(({ columns }) => columns).find((column) => column.sql === sql)?.name ?? 'v0'
  );
}

function refuseNonTimeOrder(items: readonly { name: string }[]): void {
  if (items.length === 1 && items[0]?.name === '__time') return;
  const names = items.map(({ name }) => name).join(', ');
  throw druidException(
    `Query could not be planned. A possible reason is [SQL query requires ordering a table by non-time column [[${names}]], which is not supported.]`,
    { errorCode: 'general' },
  );
}

const AGGREGATE_NAME = /^(COUNT|SUM|MIN|MAX|AVG|APPROX_COUNT_DISTINCT.*)$/;

/** Whether an expression contains an aggregate call. */
function hasAggregate(expr: Expr): boolean {
  switch (expr.kind) {
    case 'call':
      return AGGREGATE_NAME.test(expr.name) || expr.args.some(hasAggregate);
    case 'binary':
      return hasAggregate(expr.left) || hasAggregate(expr.right);
    case 'between':
      return [expr.operand, expr.low, expr.high].some(hasAggregate);
    case 'in':
      return [expr.operand, ...expr.list].some(hasAggregate);
    case 'case':
      return (
        (expr.operand !== undefined && hasAggregate(expr.operand)) ||
        expr.branches.some(({ when, then }) => hasAggregate(when) || hasAggregate(then)) ||
        (expr.otherwise !== undefined && hasAggregate(expr.otherwise))
      );
    case 'literal':
    case 'interval':
    case 'param':
    case 'column':
      return false;
    default:
      return hasAggregate(expr.operand);
  }
}
