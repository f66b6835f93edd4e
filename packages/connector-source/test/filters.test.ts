import { expect, it } from 'vitest';
import { and, equals, isIn, isNull, like, not, or, range } from '../src/index.js';

it.each([
  [equals('c', 'x'), { type: 'equals', column: 'c', matchValueType: 'STRING', matchValue: 'x' }],
  [equals('c', 5), { type: 'equals', column: 'c', matchValueType: 'LONG', matchValue: 5 }],
  [equals('c', 1.5), { type: 'equals', column: 'c', matchValueType: 'DOUBLE', matchValue: 1.5 }],
  [equals('c', 2n ** 60n), { type: 'equals', column: 'c', matchValueType: 'LONG', matchValue: 2n ** 60n }],
  [isIn('c', ['a', 5, null]), { type: 'in', dimension: 'c', values: ['a', '5', null] }],
  [
    range('c', { gte: 1, lt: 2.5 }),
    {
      type: 'range',
      column: 'c',
      matchValueType: 'DOUBLE',
      lower: 1,
      lowerOpen: false,
      upper: 2.5,
      upperOpen: true,
    },
  ],
  [
    range('c', { gt: 'a' }),
    { type: 'range', column: 'c', matchValueType: 'STRING', lower: 'a', lowerOpen: true },
  ],
  [like('c', 'a%'), { type: 'like', dimension: 'c', pattern: 'a%' }],
  [
    and(isNull('a'), or(not(isNull('b')))),
    {
      type: 'and',
      fields: [
        { type: 'null', column: 'a' },
        { type: 'or', fields: [{ type: 'not', field: { type: 'null', column: 'b' } }] },
      ],
    },
  ],
])('builds the native filter %#', (filter, native) => {
  expect(filter).toEqual(native);
});
