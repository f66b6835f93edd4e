import { describe, expect, it } from 'vitest';
import { DruidConfigError } from '../src/errors.js';
import { toTypedParameter } from '../src/sql-parameters.js';

describe('toTypedParameter', () => {
  it.each([
    ["it's", 'VARCHAR', "it's"],
    [7, 'BIGINT', 7],
    [7.5, 'DOUBLE', 7.5],
    [-0, 'DOUBLE', -0],
    [0, 'BIGINT', 0],
    [2n ** 62n, 'BIGINT', 2n ** 62n],
    [true, 'BOOLEAN', true],
    [null, 'VARCHAR', null],
    [new Date(1700000000123), 'TIMESTAMP', 1700000000123],
    [{ type: 'ARRAY', value: [1, 2] }, 'ARRAY', [1, 2]],
  ])('maps %s to %s', (parameter, type, value) => {
    expect(toTypedParameter(parameter, 0)).toEqual({ type, value });
  });

  it.each([Number.NaN, Infinity, 2 ** 60, new Date(Number.NaN), undefined as never])(
    'refuses %s',
    (parameter) => {
      expect(() => toTypedParameter(parameter, 2)).toThrow(/SQL parameter 3/);
      expect(() => toTypedParameter(parameter, 2)).toThrow(DruidConfigError);
    },
  );
});
