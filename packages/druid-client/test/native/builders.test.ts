import { describe, expect, it } from 'vitest';
import {
  aggregation,
  dataSource,
  DruidConfigError,
  extension,
  filter,
  granularity,
  having,
  interval,
  limitSpec,
  postAggregation,
  virtualColumn,
} from '../../src/index.js';

describe('interval', () => {
  it('writes times as ISO 8601 and leaves text alone', () => {
    expect(interval(new Date(0), 86_400_000)).toBe('1970-01-01T00:00:00.000Z/1970-01-02T00:00:00.000Z');
    expect(interval('2026', 'P1D')).toBe('2026/P1D');
  });

  it.each([
    [new Date(Number.NaN), new Date(0), 'The start of an interval is Invalid Date'],
    [0, Infinity, 'The end of an interval is Infinity'],
    [2, 1, 'ends before it starts'],
  ])('refuses %s to %s', (start, end, message) => {
    expect(() => interval(start, end)).toThrow(message);
  });
});

describe('filter', () => {
  it('compares in the type of the value', () => {
    expect(filter.equals('a', 'x')).toMatchObject({ matchValueType: 'STRING', matchValue: 'x' });
    expect(filter.equals('a', 7)).toMatchObject({ matchValueType: 'LONG', matchValue: 7 });
    expect(filter.equals('a', 7n)).toMatchObject({ matchValueType: 'LONG', matchValue: 7n });
    expect(filter.equals('a', 7.5)).toMatchObject({ matchValueType: 'DOUBLE', matchValue: 7.5 });
  });

  it('writes a range with open and closed ends', () => {
    expect(filter.range('a', { gt: 1, lte: 2.5 })).toEqual({
      type: 'range',
      column: 'a',
      matchValueType: 'DOUBLE',
      lower: 1,
      lowerOpen: true,
      upper: 2.5,
      upperOpen: false,
    });
    expect(filter.range('a', { lt: 'x' })).toEqual({
      type: 'range',
      column: 'a',
      matchValueType: 'STRING',
      upper: 'x',
      upperOpen: true,
    });
  });

  it('refuses a range without bounds, and one with two on a side', () => {
    expect(() => filter.range('a', {})).toThrow("needs at least one of 'gt', 'gte', 'lt' and 'lte'");
    expect(() => filter.range('a', { gt: 1, gte: 1 })).toThrow("'gt' and 'gte' together");
    expect(() => filter.range('a', { lt: 1, lte: 1 })).toThrow("'lt' and 'lte' together");
  });
});

describe('builders', () => {
  it("give Druid's JSON", () => {
    expect(aggregation.longSum('added')).toEqual({ type: 'longSum', name: 'added', fieldName: 'added' });
    expect(aggregation.doubleSum('x', { expression: 'a * 2' })).toEqual({
      type: 'doubleSum',
      name: 'x',
      expression: 'a * 2',
    });
    expect(aggregation.filtered(filter.isNull('a'), aggregation.count('c'))).toEqual({
      type: 'filtered',
      filter: { type: 'null', column: 'a' },
      aggregator: { type: 'count', name: 'c' },
    });
    expect(postAggregation.arithmetic('x', '+', ['a', postAggregation.constant('one', 1)])).toEqual({
      type: 'arithmetic',
      name: 'x',
      fn: '+',
      fields: [
        { type: 'fieldAccess', fieldName: 'a' },
        { type: 'constant', name: 'one', value: 1 },
      ],
    });
    expect(having.not(having.greaterThan('a', 1))).toEqual({
      type: 'not',
      havingSpec: { type: 'greaterThan', aggregation: 'a', value: 1 },
    });
    expect(limitSpec(['a'], 5)).toEqual({ type: 'default', columns: ['a'], limit: 5 });
    expect(granularity.period('P1D', { timeZone: 'UTC' })).toEqual({
      type: 'period',
      period: 'P1D',
      timeZone: 'UTC',
    });
    expect(virtualColumn.nestedField('v', 'j', '$.a', 'LONG')).toEqual({
      type: 'nested-field',
      columnName: 'j',
      outputName: 'v',
      path: '$.a',
      expectedType: 'LONG',
    });
    expect(
      dataSource.join({ left: 'a', right: dataSource.lookup('l'), rightPrefix: 'r.', condition: '1' }),
    ).toEqual({
      type: 'join',
      left: 'a',
      right: { type: 'lookup', lookup: 'l' },
      rightPrefix: 'r.',
      condition: '1',
      joinType: 'INNER',
    });
    expect(extension({ type: 'bloom', a: 1 })).toEqual({ type: 'bloom', a: 1 });
  });

  it('never exchanges the columns of inline rows', () => {
    expect(dataSource.inline({ b: 'LONG', a: 'STRING' }, [[1, 'x']])).toMatchObject({
      columnNames: ['b', 'a'],
      columnTypes: ['LONG', 'STRING'],
    });
    // JavaScript puts such members first, in the order of their numbers.
    expect(() => dataSource.inline({ '2026': 'LONG', '2025': 'LONG' }, [[1, 2]])).toThrow(DruidConfigError);
    expect(() => dataSource.inline({ '2026': 'LONG' }, [[1]])).not.toThrow();
    expect(() => dataSource.inline({ a: 'LONG', b: 'LONG' }, [[1, 2], [3]])).toThrow('Row 1');
  });
});
