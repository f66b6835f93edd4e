/** The functions that translate: aggregates and scalars, each with its Druid type. */

import { druidException, notSupported } from './druid-error.js';
import type { Expr, ExprOf, SqlType } from './sql-ast.js';
import { arithmetic, boolean, cannotApply, divide, text, unify } from './sql-operators.js';
import type { ExpressionContext, PlanExpression, Scope } from './sql-scope.js';
import {
  ceilTime,
  floorTime,
  periodGranularity,
  planExtract,
  shiftSql,
  unitGranularity,
} from './sql-time.js';
import { sqlError } from './sql-tokens.js';
import { derive, isApproximate, isInteger, isNumeric, isText, isTime, type Typed } from './sql-typed.js';
import { parseInterval, parseIsoTime } from './time-text.js';

type Call = ExprOf<'call'>;
type Scalar = (args: Typed[], call: Call) => Typed;

const DISTINCT_COUNTS = new Set([
  'APPROX_COUNT_DISTINCT',
  'APPROX_COUNT_DISTINCT_BUILTIN',
  'APPROX_COUNT_DISTINCT_DS_HLL',
  'APPROX_COUNT_DISTINCT_DS_THETA',
]);
const AGGREGATES = new Set(['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', ...DISTINCT_COUNTS]);
/** Aggregates of Druid that have no faithful counterpart here. */
const OTHER_AGGREGATES = new Set(
  'EARLIEST LATEST EARLIEST_BY LATEST_BY ANY_VALUE STDDEV STDDEV_POP STDDEV_SAMP VARIANCE VAR_POP VAR_SAMP ARRAY_AGG STRING_AGG LISTAGG DS_HLL DS_THETA DS_QUANTILES_SKETCH APPROX_QUANTILE APPROX_QUANTILE_DS BIT_AND BIT_OR BIT_XOR GROUPING'.split(
    ' ',
  ),
);

export function planCall(
  call: Call,
  scope: Scope,
  context: ExpressionContext,
  planExpression: PlanExpression,
): Typed {
  const plan = (expr: Expr, within = scope): Typed => planExpression(expr, within, context);
  if (AGGREGATES.has(call.name)) return planAggregate(call, scope, context, plan);
  if (OTHER_AGGREGATES.has(call.name)) throw notSupported(`The aggregate ${call.name}`);
  if (call.filter || call.distinct || call.star)
    throw sqlError(`${call.name} is no aggregate function`, call.span);
  if (call.name === 'CURRENT_TIMESTAMP')
    return { sql: `CAST(${context.nowMs} AS BIGINT)`, type: 'TIMESTAMP' };
  const scalar = SCALARS[call.name];
  if (!scalar) throw unknownFunction(call, plan);
  return scalar(
    call.args.map((expr) => plan(expr)),
    call,
  );
}

type Plan = (expr: Expr, within?: Scope) => Typed;

function unknownFunction(call: Call, plan: Plan): Error {
  if (KNOWN_ELSEWHERE.has(call.name)) return notSupported(`The function ${call.name}`);
  const types = call.args.map((expr) => `<${family(plan(expr).type)}>`);
  return sqlError(
    `No match found for function signature ${call.name.toLowerCase()}(${types.join(', ')})`,
    call.span,
  );
}

const family = (type: SqlType): string => (isText(type) ? 'CHARACTER' : isNumeric(type) ? 'NUMERIC' : type);

function planAggregate(call: Call, scope: Scope, context: ExpressionContext, plan: Plan): Typed {
  if (!scope.aggregates) throw sqlError('Aggregate expression is illegal here', call.span);
  const inner: Scope = { ...scope, groupKeys: undefined, aggregates: false };
  const args = call.args.map((expr) => plan(expr, inner));
  const filter = call.filter ? ` FILTER (WHERE ${boolean(plan(call.filter, inner), call.filter).sql})` : '';
  const [value] = args;
  const result = (sql: string, type: SqlType): Typed => ({ sql, type, hasAggregate: true });
  if (call.name === 'COUNT' && (call.star || !value)) return result(`count(*)${filter}`, 'BIGINT');
  if (!value || (args.length > 1 && call.name !== 'APPROX_COUNT_DISTINCT_DS_HLL')) {
    throw sqlError(`Invalid number of arguments to function '${call.name}'`, call.span);
  }
  // Druid's sketches leave out empty strings; a COUNT(DISTINCT) uses a sketch unless the context says otherwise.
  const sketch = isText(value.type) ? `nullif(${value.sql}, '')` : value.sql;
  if (DISTINCT_COUNTS.has(call.name) || (call.name === 'COUNT' && call.distinct && !context.exactDistinct)) {
    return result(`count(DISTINCT ${sketch})${filter}`, 'BIGINT');
  }
  const distinct = call.distinct ? 'DISTINCT ' : '';
  if (call.name === 'COUNT') return result(`count(${distinct}${value.sql})${filter}`, 'BIGINT');
  if (call.distinct && call.name !== 'MIN' && call.name !== 'MAX')
    throw notSupported(`${call.name}(DISTINCT …)`);
  if (call.name === 'MIN' || call.name === 'MAX')
    return result(`${call.name.toLowerCase()}(${value.sql})${filter}`, extremeType(value, call));
  if (!isNumeric(value.type)) {
    if (isText(value.type)) throw notSupported(`${call.name} of a VARCHAR`);
    throw cannotApply(call.name, call, [value]);
  }
  if (call.name === 'AVG') return result(`CAST(avg(${value.sql})${filter} AS DOUBLE)`, 'DOUBLE');
  if (isInteger(value.type)) return result(`CAST(sum(${value.sql})${filter} AS BIGINT)`, 'BIGINT');
  return result(`sum(CAST(${value.sql} AS DOUBLE))${filter}`, value.type === 'FLOAT' ? 'DOUBLE' : value.type);
}

function extremeType(value: Typed, call: Call): SqlType {
  if (isText(value.type)) {
    const name = call.args[0]?.kind === 'column' ? call.args[0].path.join('.') : 'v0';
    throw druidException(`Aggregation [${call.name}] does not support type [STRING], column [${name}]`, {
      context: { sourceType: 'sql' },
    });
  }
  return value.type;
}

function arity(args: readonly Typed[], call: Call, least: number, most = least): void {
  if (args.length < least || args.length > most)
    throw sqlError(`Invalid number of arguments to function '${call.name}'`, call.span);
}

const arg = (call: Call, index: number): Expr => call.args[index] ?? call;

/** A function of one string with a string result. */
const textToText =
  (sql: (value: string) => string): Scalar =>
  (args, call) => {
    arity(args, call, 1);
    const value = text(args[0] as Typed, arg(call, 0));
    return derive(sql(value.sql), 'VARCHAR', value);
  };

/** A function of one number with a DOUBLE result. */
const toDouble =
  (sql: (value: string) => string): Scalar =>
  (args, call) => {
    arity(args, call, 1);
    const [value] = args as [Typed];
    if (!isNumeric(value.type)) throw cannotApply(call.name, call, args);
    return derive(sql(`CAST(${value.sql} AS DOUBLE)`), 'DOUBLE', value);
  };

/** A function of one number that keeps its type. */
const keepsType =
  (sql: (value: string, type: SqlType) => string): Scalar =>
  (args, call) => {
    arity(args, call, 1);
    const [value] = args as [Typed];
    if (!isNumeric(value.type)) throw cannotApply(call.name, call, args);
    return derive(
      isInteger(value.type) && call.name !== 'ABS' ? value.sql : sql(value.sql, value.type),
      value.type,
      value,
    );
  };

function time(args: readonly Typed[], index: number, call: Call): Typed {
  const value = args[index];
  if (!value || !isTime(value.type)) throw cannotApply(call.name, call, args);
  return value;
}

/** Java counts UTF-16 units, DuckDB code points: characters beyond the basic plane count twice. */
const utf16Length = (value: string): string =>
  `(length(${value}) + CASE WHEN strlen(${value}) = length(${value}) THEN 0 ELSE length(regexp_replace(${value}, '[^\\x{10000}-\\x{10FFFF}]', '', 'g')) END)`;

/** Fails for strings whose positions Java and DuckDB count differently. */
const basicPlane = (value: string, sql: string): string =>
  `(CASE WHEN strlen(${value}) <> length(${value}) AND regexp_matches(${value}, '[\\x{10000}-\\x{10FFFF}]') THEN error('SUBSTRING of characters beyond the basic plane is not supported by EmbeddedDruid') ELSE ${sql} END)`;

const length: Scalar = (args, call) => {
  arity(args, call, 1);
  const value = text(args[0] as Typed, arg(call, 0));
  return derive(utf16Length(value.sql), 'INTEGER', value);
};

const substring: Scalar = (args, call) => {
  arity(args, call, 2, 3);
  const value = text(args[0] as Typed, arg(call, 0));
  const numbers = args.slice(1);
  const literals = call.args
    .slice(1)
    .every((node, index) => node.kind === 'literal' && Number(node.text) >= (index === 0 ? 1 : 0));
  if (!literals) throw notSupported('SUBSTRING with positions that are no positive literals');
  return derive(
    basicPlane(value.sql, `substring(${[value, ...numbers].map(({ sql }) => sql).join(', ')})`),
    'VARCHAR',
    ...args,
  );
};

const coalesce: Scalar = (args, call) => {
  const type = unify(args, call);
  return derive(`coalesce(${args.map(({ sql }) => sql).join(', ')})`, type, ...args);
};

const extreme =
  (name: 'greatest' | 'least'): Scalar =>
  (args, call) => {
    arity(args, call, 1, 99);
    return derive(`${name}(${args.map(({ sql }) => sql).join(', ')})`, unify(args, call), ...args);
  };

const concat: Scalar = (args, call) => {
  arity(args, call, 1, 99);
  args.forEach((value, index) => text(value, arg(call, index)));
  return derive(`(${args.map(({ sql }) => sql).join(' || ')})`, 'VARCHAR', ...args);
};

/** Half up on the decimal digits that Java prints, not on the binary value. */
const round: Scalar = (args, call) => {
  arity(args, call, 1, 2);
  const [value, digits] = args as [Typed, Typed | undefined];
  const places = digits ? Number(call.args[1]?.kind === 'literal' ? call.args[1].text : NaN) : 0;
  if (!isNumeric(value.type)) throw cannotApply('ROUND', call, args);
  if (!Number.isInteger(places) || places < 0 || places > 15)
    throw notSupported('ROUND to this number of digits');
  if (isInteger(value.type)) return value;
  const x = `CAST(${value.sql} AS DOUBLE)`;
  return derive(
    `(CASE WHEN abs(${x}) >= 1e15 THEN ${x} ELSE CAST(round(CAST(CAST(${x} AS VARCHAR) AS DECIMAL(38, 20)), ${places}) AS DOUBLE) END)`,
    value.type,
    value,
  );
};

const timeFloor =
  (rounding: typeof floorTime): Scalar =>
  (args, call) => {
    arity(args, call, 2, 4);
    const [, period, origin, zone] = args;
    if (origin && origin.type !== 'NULL') throw notSupported(`${call.name} with an origin`);
    if (zone && zone.type !== 'NULL' && zone.text !== 'UTC' && zone.text !== 'Etc/UTC')
      throw notSupported(`${call.name} with a time zone`);
    return rounding(time(args, 0, call), periodGranularity(period?.text, call.span));
  };

const timeParse: Scalar = (args, call) => {
  arity(args, call, 1);
  const literal = args[0]?.text;
  if (literal === undefined) throw notSupported('TIME_PARSE of something that is no literal');
  const ms = parseIsoTime(literal.replace(' ', 'T'));
  return { sql: ms === undefined ? 'CAST(NULL AS BIGINT)' : `CAST(${ms} AS BIGINT)`, type: 'TIMESTAMP' };
};

/** Joda patterns that `strftime` can follow exactly. */
const JODA: Record<string, string> = {
  yyyy: '%Y',
  MM: '%m',
  dd: '%d',
  HH: '%H',
  mm: '%M',
  ss: '%S',
  SSS: '%g',
};

const timeFormat: Scalar = (args, call) => {
  arity(args, call, 1, 2);
  const value = time(args, 0, call);
  const pattern = args.length === 1 ? "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'" : args[1]?.text;
  if (pattern === undefined) throw notSupported('TIME_FORMAT with a pattern that is no literal');
  const format = pattern.replace(/'([^']*)'|([A-Za-z])\2*/g, (token, plain: string | undefined) => {
    if (plain !== undefined) return plain;
    const known = JODA[token];
    if (!known) throw notSupported(`TIME_FORMAT with the pattern [${token}]`);
    return known;
  });
  return derive(`strftime(epoch_ms(${value.sql}), '${format.replaceAll("'", "''")}')`, 'VARCHAR', value);
};

const SCALARS: Record<string, Scalar> = {
  UPPER: textToText((value) => `upper(${value})`),
  LOWER: textToText((value) => `lower(${value})`),
  TRIM: textToText((value) => `trim(${value})`),
  BTRIM: textToText((value) => `trim(${value})`),
  LTRIM: textToText((value) => `ltrim(${value})`),
  RTRIM: textToText((value) => `rtrim(${value})`),
  LENGTH: length,
  STRLEN: length,
  CHAR_LENGTH: length,
  CHARACTER_LENGTH: length,
  SUBSTRING: substring,
  SUBSTR: substring,
  CONCAT: concat,
  REPLACE: (args, call) => {
    arity(args, call, 3);
    args.forEach((value, index) => text(value, arg(call, index)));
    return derive(`replace(${args.map(({ sql }) => sql).join(', ')})`, 'VARCHAR', ...args);
  },
  COALESCE: coalesce,
  NVL: coalesce,
  NULLIF: (args, call) => {
    arity(args, call, 2);
    unify(args, call);
    return derive(`nullif(${args.map(({ sql }) => sql).join(', ')})`, args[0]?.type ?? 'NULL', ...args);
  },
  GREATEST: extreme('greatest'),
  LEAST: extreme('least'),
  ABS: keepsType((value) => `abs(${value})`),
  FLOOR: keepsType((value) => `floor(${value})`),
  CEIL: keepsType((value) => `ceil(${value})`),
  CEILING: keepsType((value) => `ceil(${value})`),
  ROUND: round,
  SQRT: toDouble((value) => `(CASE WHEN ${value} < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(${value}) END)`),
  MOD: (args, call) => {
    arity(args, call, 2);
    const [left, right] = args as [Typed, Typed];
    if (isApproximate(left.type) || isApproximate(right.type)) throw notSupported('MOD of fractions');
    const { type } = arithmetic('-', left, right, call);
    return derive(divide('%', left, right), type, left, right);
  },
  SAFE_DIVIDE: (args, call) => {
    arity(args, call, 2);
    const [left, right] = args as [Typed, Typed];
    const { type, sql } = arithmetic('/', left, right, call);
    return derive(`(CASE WHEN ${right.sql} = 0 THEN NULL ELSE ${sql} END)`, type, left, right);
  },
  TIME_FLOOR: timeFloor(floorTime),
  TIME_CEIL: timeFloor(ceilTime),
  DATE_TRUNC: (args, call) => {
    arity(args, call, 2);
    const unit = args[0]?.text;
    if (unit === undefined) throw notSupported('DATE_TRUNC with a unit that is no literal');
    return floorTime(time(args, 1, call), unitGranularity(unit, call.span));
  },
  MILLIS_TO_TIMESTAMP: (args, call) => {
    arity(args, call, 1);
    const [value] = args as [Typed];
    if (!isInteger(value.type)) throw cannotApply(call.name, call, args);
    return derive(value.sql, 'TIMESTAMP', value);
  },
  TIMESTAMP_TO_MILLIS: (args, call) => {
    arity(args, call, 1);
    const value = time(args, 0, call);
    return derive(value.sql, 'BIGINT', value);
  },
  TIME_PARSE: timeParse,
  TIME_FORMAT: timeFormat,
  TIME_EXTRACT: (args, call) => {
    arity(args, call, 2);
    if (args[1]?.text === undefined) throw notSupported('TIME_EXTRACT with a unit that is no literal');
    return planExtract(time(args, 0, call), args[1].text, call.span);
  },
  TIME_SHIFT: (args, call) => {
    arity(args, call, 3);
    const granularity = periodGranularity(args[1]?.text, call.span);
    const value = time(args, 0, call);
    if (granularity.kind !== 'period') return value;
    return derive(shiftSql(value.sql, granularity.period, (args[2] as Typed).sql), 'TIMESTAMP', ...args);
  },
  TIME_IN_INTERVAL: (args, call) => {
    arity(args, call, 2);
    const interval = parseInterval(args[1]?.text ?? '');
    if (!interval) throw sqlError(`Invalid interval [${args[1]?.text}]`, call.span);
    const value = time(args, 0, call);
    return derive(`(${value.sql} >= ${interval.start} AND ${value.sql} < ${interval.end})`, 'BOOLEAN', value);
  },
};

/** Functions that Druid has and this server does not translate. */
const KNOWN_ELSEWHERE = new Set(
  'REGEXP_EXTRACT REGEXP_LIKE REGEXP_REPLACE LPAD RPAD POSITION STRPOS CONTAINS_STRING ICONTAINS_STRING STRING_FORMAT REVERSE REPEAT LEFT RIGHT TEXTCAT PARSE_LONG LOOKUP JSON_VALUE JSON_QUERY MV_TO_ARRAY MV_CONTAINS ARRAY_LENGTH STRING_TO_ARRAY UNNEST TIMESTAMPADD TIMESTAMPDIFF DECODE_BASE64_UTF8 POWER EXP LN LOG10 TRUNC TRUNCATE SIN COS TAN SIGN HUMAN_READABLE_BINARY_BYTE_FORMAT IPV4_MATCH IPV4_PARSE BITWISE_AND BITWISE_OR HLL_SKETCH_ESTIMATE THETA_SKETCH_ESTIMATE'.split(
    ' ',
  ),
);
