/** The syntax tree of the SQL subset that this server understands. */

/** Where something stands in the statement; lines and columns count from 1, the end is inclusive, as in Calcite. */
export interface Span {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

/** SQL types that expressions can have; DECIMAL is computed as DOUBLE, as Druid does. */
export type SqlType =
  | 'VARCHAR'
  | 'CHAR'
  | 'BIGINT'
  | 'INTEGER'
  | 'DOUBLE'
  | 'FLOAT'
  | 'DECIMAL'
  | 'TIMESTAMP'
  | 'DATE'
  | 'BOOLEAN'
  | 'NULL';

export type Expr = { span: Span } & (
  | { kind: 'literal'; type: SqlType; text: string }
  | { kind: 'interval'; amount: number; unit: string }
  | { kind: 'param'; index: number }
  | { kind: 'column'; path: string[] }
  | { kind: 'unary'; op: '-' | 'NOT'; operand: Expr }
  | { kind: 'binary'; op: string; left: Expr; right: Expr }
  | { kind: 'isNull'; operand: Expr; negated: boolean }
  | { kind: 'isTruth'; operand: Expr; truth: boolean; negated: boolean }
  | { kind: 'between'; operand: Expr; low: Expr; high: Expr; negated: boolean }
  | { kind: 'in'; operand: Expr; list: Expr[]; negated: boolean }
  | { kind: 'inQuery'; operand: Expr; query: Query; negated: boolean }
  | { kind: 'like'; operand: Expr; pattern: Expr; escape: Expr | undefined; negated: boolean }
  | {
      kind: 'case';
      operand: Expr | undefined;
      branches: { when: Expr; then: Expr }[];
      otherwise: Expr | undefined;
    }
  | { kind: 'cast'; operand: Expr; type: string }
  | { kind: 'roundTime'; operand: Expr; unit: string; up: boolean }
  | { kind: 'extract'; unit: string; operand: Expr }
  | { kind: 'call'; name: string; args: Expr[]; star: boolean; distinct: boolean; filter: Expr | undefined }
);

export type ExprOf<K extends Expr['kind']> = Extract<Expr, { kind: K }>;

export type TableRef =
  | { kind: 'table'; path: string[]; alias: string | undefined; span: Span }
  | { kind: 'query'; query: Query; alias: string | undefined; span: Span }
  | {
      kind: 'join';
      left: TableRef;
      right: TableRef;
      type: 'INNER' | 'LEFT' | 'CROSS';
      on: Expr | undefined;
      span: Span;
    };

/** A select item; `expr` undefined is `*`, or `table.*` when `table` is set. */
export interface SelectItem {
  expr: Expr | undefined;
  table: string | undefined;
  alias: string | undefined;
  span: Span;
}

export interface OrderItem {
  expr: Expr;
  descending: boolean;
}

export interface Select {
  distinct: boolean;
  items: SelectItem[];
  from: TableRef | undefined;
  where: Expr | undefined;
  groupBy: Expr[] | undefined;
  having: Expr | undefined;
}

/** `WITH … SELECT … [UNION ALL SELECT …] ORDER BY … LIMIT … OFFSET …` */
export interface Query {
  ctes: { name: string; query: Query }[];
  selects: Select[];
  orderBy: OrderItem[];
  limit: Expr | undefined;
  offset: Expr | undefined;
}
