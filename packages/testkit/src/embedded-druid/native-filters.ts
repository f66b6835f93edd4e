/** Druid's native filters as DuckDB conditions; comparisons with NULL stay NULL, as in Druid's three-valued logic. */

import { notSupported, unreadableRequest } from './druid-error.js';
import { parseInterval } from './time-text.js';
import { quoted } from './store.js';
import type { ColumnType } from './timeline.js';

/** A column that filters and aggregators can name. */
export interface NativeColumn {
  name: string;
  type: ColumnType;
  sql: string;
}

/** Finds a column; undefined for one that the datasource lacks, which is NULL in every row. */
export type ColumnLookup = (name: string) => NativeColumn | undefined;

type Json = Record<string, unknown>;
const VALUE_INSTANTIATION = 'com.fasterxml.jackson.databind.exc.ValueInstantiationException';
const KNOWN =
  'and, arrayContainsElement, bound, columnComparison, equals, expression, extraction, false, in, inType, interval, isfalse, istrue, javascript, like, not, null, or, range, regex, search, selector, spatial, true';

/** @throws DruidHttpError 400 for a malformed filter, 501 for a kind that is not translated */
export function filterSql(value: unknown, find: ColumnLookup): string {
  const filter = value as Json;
  const recurse = (inner: unknown): string => filterSql(inner, find);
  switch (filter['type']) {
    case 'true':
      return 'true';
    case 'false':
      return 'false';
    case 'and':
    case 'or': {
      const fields = (filter['fields'] ?? []) as unknown[];
      const word = String(filter['type']).toUpperCase();
      if (fields.length === 0)
        throw construct(
          word === 'AND' ? 'AndDimFilter' : 'OrDimFilter',
          `${word} operator requires at least one field`,
        );
      return `(${fields.map(recurse).join(` ${word} `)})`;
    }
    case 'not':
      return `(NOT ${recurse(filter['field'])})`;
    case 'selector':
      refuseExtraction(filter);
      return equalsText(column(filter['dimension'], find), filter['value']);
    case 'in': {
      refuseExtraction(filter);
      const target = column(filter['dimension'], find);
      const values = (filter['values'] ?? []) as unknown[];
      return values.length === 0
        ? 'false'
        : `(${values.map((item) => equalsText(target, item)).join(' OR ')})`;
    }
    case 'null':
      return `(${sqlOf(column(filter['column'], find))} IS NULL)`;
    case 'equals': {
      const name = String(filter['column']);
      if (filter['matchValue'] === null || filter['matchValue'] === undefined) {
        throw construct(
          'EqualityFilter',
          `Invalid equality filter on column [${name}], matchValue cannot be null`,
        );
      }
      return typed('=', column(name, find), filter['matchValueType'], filter['matchValue']);
    }
    case 'inType': {
      const target = column(filter['column'], find);
      const values = (filter['sortedValues'] ?? filter['values'] ?? []) as unknown[];
      const tests = values.map((item) =>
        item === null ? `(${sqlOf(target)} IS NULL)` : typed('=', target, filter['matchValueType'], item),
      );
      return tests.length === 0 ? 'false' : `(${tests.join(' OR ')})`;
    }
    case 'range':
      return rangeSql(filter, find);
    case 'bound':
      return boundSql(filter, find);
    case 'like':
      return likeSql(filter, find);
    case 'interval': {
      const target = column(filter['dimension'], find);
      if (target?.type !== 'LONG') throw notSupported('An interval filter on a column that is no LONG');
      const parts = ((filter['intervals'] ?? []) as string[]).map((text) => {
        const interval = parseInterval(text);
        if (!interval) throw construct('IntervalDimFilter', `Bad Interval[${text}]`);
        return `(${target.sql} >= ${interval.start} AND ${target.sql} < ${interval.end})`;
      });
      return `(${parts.join(' OR ')})`;
    }
    default: {
      const type = String(filter['type']);
      if (KNOWN.split(', ').includes(type)) throw notSupported(`The filter [${type}]`);
      throw unreadableRequest(
        `Could not resolve type id '${type}' as a subtype of \`org.apache.druid.query.filter.DimFilter\` known type ids = [${KNOWN}]`,
        'com.fasterxml.jackson.databind.exc.InvalidTypeIdException',
      );
    }
  }
}

/** Jackson's message for a value that a constructor refuses. */
export const construct = (name: string, problem: string): Error =>
  unreadableRequest(
    `Cannot construct instance of \`org.apache.druid.query.filter.${name}\`, problem: ${problem}`,
    VALUE_INSTANTIATION,
  );

function refuseExtraction(filter: Json): void {
  if (filter['extractionFn']) throw notSupported('An extractionFn');
}

function column(name: unknown, find: ColumnLookup): NativeColumn | undefined {
  if (typeof name !== 'string') throw unreadableRequest('dimension must not be null', VALUE_INSTANTIATION);
  return find(name);
}

const sqlOf = (target: NativeColumn | undefined): string => target?.sql ?? 'CAST(NULL AS VARCHAR)';

/** `selector` and `in`: the value is text; on a number column, text that is no number matches NULL. */
function equalsText(target: NativeColumn | undefined, value: unknown): string {
  const sql = sqlOf(target);
  if (value === null || value === undefined) return `(${sql} IS NULL)`;
  const text = typeof value === 'string' ? value : String(value as number | bigint | boolean);
  if (!target || target.type === 'STRING') return `(${sql} = ${quoted(text)})`;
  const literal = numberText(text, target.type);
  return literal === undefined ? `(${sql} IS NULL)` : `(${sql} = ${literal})`;
}

/** A number as a DuckDB literal of the column's type; undefined for text that is none. */
function numberText(text: string, type: ColumnType): string | undefined {
  if (type === 'LONG' && /^-?\d{1,18}$/.test(text)) return `CAST(${text} AS BIGINT)`;
  if (!/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return undefined;
  if (type === 'LONG') {
    const exact = /^-?\d+$/.test(text) ? BigInt(text) : undefined;
    if (exact !== undefined && exact >= -(2n ** 63n) && exact < 2n ** 63n) return `CAST('${text}' AS BIGINT)`;
    if (!Number.isInteger(Number(text))) return undefined;
  }
  return type === 'FLOAT' ? `CAST(${text} AS FLOAT)` : `CAST('${text}' AS DOUBLE)`;
}

/** `equals`, `inType` and `range`: compared as `matchValueType`. */
function typed(op: string, target: NativeColumn | undefined, matchType: unknown, value: unknown): string {
  if (!target) return 'CAST(NULL AS BOOLEAN)';
  const text = String(value as string | number | bigint);
  if (matchType === 'STRING') {
    if (target.type === 'STRING') return `(${target.sql} ${op} ${quoted(text)})`;
    if (op !== '=') throw notSupported(`A STRING range on a ${target.type} column`);
    const literal = numberText(text, target.type);
    return literal === undefined ? 'CAST(NULL AS BOOLEAN)' : `(${target.sql} = ${literal})`;
  }
  if (matchType !== 'LONG' && matchType !== 'DOUBLE' && matchType !== 'FLOAT')
    throw notSupported(`matchValueType [${String(matchType)}]`);
  if (target.type === 'STRING') throw notSupported(`A ${matchType} comparison on a STRING column`);
  const literal = numberText(text, matchType) ?? numberText(text, 'DOUBLE');
  if (literal === undefined) throw unreadableRequest(`[${text}] is no ${matchType}`, VALUE_INSTANTIATION);
  return `(${target.sql} ${op} ${literal})`;
}

function rangeSql(filter: Json, find: ColumnLookup): string {
  const target = column(filter['column'], find);
  const { lower, upper, matchValueType } = filter;
  const parts: string[] = [];
  if (lower !== null && lower !== undefined)
    parts.push(typed(filter['lowerOpen'] ? '>' : '>=', target, matchValueType, lower));
  if (upper !== null && upper !== undefined)
    parts.push(typed(filter['upperOpen'] ? '<' : '<=', target, matchValueType, upper));
  if (parts.length === 0)
    throw construct(
      'RangeFilter',
      `Invalid range filter on column [${String(filter['column'])}], lower and upper cannot be null at the same time`,
    );
  return `(${parts.join(' AND ')})`;
}

function boundSql(filter: Json, find: ColumnLookup): string {
  refuseExtraction(filter);
  const target = column(filter['dimension'], find);
  const { lower, upper } = filter;
  const ordering = String(filter['ordering'] ?? (filter['alphaNumeric'] ? 'alphanumeric' : 'lexicographic'));
  const numeric = ordering === 'numeric';
  if (!numeric && ordering !== 'lexicographic')
    throw notSupported(`A bound filter with ordering [${ordering}]`);
  if (target && numeric !== (target.type !== 'STRING')) {
    // Druid compares the numbers of a numeric column as text here, or the text of a string column as numbers.
    throw notSupported(`A ${ordering} bound filter on a ${target.type} column`);
  }
  const test = (op: string, bound: unknown): string => {
    if (!target) return 'CAST(NULL AS BOOLEAN)';
    const text = String(bound as string | number);
    if (!numeric) return `(${target.sql} ${op} ${quoted(text)})`;
    const literal = numberText(text, target.type) ?? numberText(text, 'DOUBLE');
    if (literal === undefined) throw notSupported(`A numeric bound filter with the bound [${text}]`);
    return `(${target.sql} ${op} ${literal})`;
  };
  const parts: string[] = [];
  if (lower !== null && lower !== undefined) parts.push(test(filter['lowerStrict'] ? '>' : '>=', lower));
  if (upper !== null && upper !== undefined) parts.push(test(filter['upperStrict'] ? '<' : '<=', upper));
  if (parts.length === 0)
    throw construct('BoundDimFilter', 'lower and upper must not be null at the same time');
  // In text order NULL comes before everything, so a bound without a lower end includes it.
  const withNull = lower === null || lower === undefined;
  return !numeric && withNull
    ? `(${sqlOf(target)} IS NULL OR ${parts.join(' AND ')})`
    : `(${parts.join(' AND ')})`;
}

function likeSql(filter: Json, find: ColumnLookup): string {
  refuseExtraction(filter);
  const target = column(filter['dimension'], find);
  if (target && target.type !== 'STRING') throw notSupported(`A like filter on a ${target.type} column`);
  const escape = filter['escape'];
  return `(${sqlOf(target)} LIKE ${quoted(String(filter['pattern']))}${typeof escape === 'string' ? ` ESCAPE ${quoted(escape)}` : ''})`;
}
