import { describe, expect, it, vi } from 'vitest';
import { compileRowMapper } from '../src/row-mapper.js';
import type { ColumnReading } from '../src/druid-columns.js';

const convert = (
  reading: ColumnReading,
  value: unknown,
  int64: 'safe-number' | 'bigint' | 'string' = 'safe-number',
) => compileRowMapper([['c', reading]], int64)([value])['c'];

describe('compileRowMapper', () => {
  it('keeps the order of the columns', () => {
    const map = compileRowMapper(
      [
        ['b', 'string'],
        ['a', 'double'],
      ],
      'safe-number',
    );
    expect(Object.entries(map(['x', 1.5, 'ignored']))).toEqual([
      ['b', 'x'],
      ['a', 1.5],
    ]);
  });

  it('takes any text as the name of a column', () => {
    const names = ['__proto__', 'constructor', '1', 'it\'s "quoted"\u2028\n\\', '', '${x}', 'c0'];
    const map = compileRowMapper(
      names.map((name) => [name, 'long'] as const),
      'safe-number',
    );
    const row = map(names.map((_, i) => i));
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(new Map(Object.entries(row))).toEqual(new Map(names.map((name, i) => [name, i])));
  });

  it('does the same in a process that forbids code generation', () => {
    const readings = [
      ['__proto__', 'long'],
      ['b', 'string'],
    ] as const;
    const generated = compileRowMapper(readings, 'safe-number');
    vi.stubGlobal('Function', function () {
      throw new EvalError('Code generation from strings disallowed for this context');
    });
    try {
      const looping = compileRowMapper(readings, 'safe-number');
      expect(Object.entries(looping([5, 'x']))).toEqual(Object.entries(generated([5, 'x'])));
      expect(() => looping(['x', 'x'])).toThrow(/64-bit integer/);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it.each([
    ['string', 'x', 'x'],
    ['string[]', 'x', ['x']],
    ['string[]', ['x', null], ['x', null]],
    ['long', 5, 5],
    ['long[]', [1, null], [1, null]],
    ['double', 1.5, 1.5],
    ['double', 'NaN', Number.NaN],
    ['double', '-Infinity', Number.NEGATIVE_INFINITY],
    ['float', 'Infinity', Number.POSITIVE_INFINITY],
    ['double', 10n ** 20n, 1e20],
    ['double[]', [1, 'NaN'], [1, Number.NaN]],
    ['json', { a: [1] }, { a: [1] }],
    ['timestamp', 17, 17],
  ] as const)('reads %s %s', (reading, value, expected) => {
    expect(convert(reading, value)).toEqual(expected);
  });

  it.each(['string', 'string[]', 'long', 'long[]', 'double', 'double[]', 'float', 'json'] as const)(
    'reads null as %s',
    (reading) => {
      expect(convert(reading, null)).toBeNull();
    },
  );

  it('gives longs as asked, exactly', () => {
    expect(convert('long', 5, 'bigint')).toBe(5n);
    expect(convert('long', 9007199254740993n, 'bigint')).toBe(9007199254740993n);
    expect(convert('long', '9007199254740993', 'string')).toBe('9007199254740993');
    expect(convert('long[]', [5], 'bigint')).toEqual([5n]);
    expect(() => convert('long', 9007199254740993n)).toThrow(/2\^53/);
  });

  it.each([
    ['string', 5, /should be a string, but is 5/],
    ['string', ['a'], /declare it as 'string\[\]'/],
    ['long', 1.5, /64-bit integer/],
    ['long', 'x', /64-bit integer/],
    ['double', 'x', /a double/],
    ['timestamp', null, /timestamp/],
  ] as const)('refuses to read as %s: %j', (reading, value, message) => {
    expect(() => convert(reading, value)).toThrow(message);
  });
});
