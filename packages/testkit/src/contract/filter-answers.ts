import { answersOf, type ContractVersion } from './contract-version.js';

type Filtered = readonly [filter: Record<string, unknown>, kept: unknown[]];

/** Filters over `events`, with the `n` of the rows that they keep. */
const FILTERS: readonly Filtered[] = [
  [{ type: 'selector', dimension: 'user', value: null }, ['9007199254740993', null]],
  [{ type: 'selector', dimension: 'page', value: '' }, [null]],
  [{ type: 'selector', dimension: 'n', value: '7' }, [7, 7]],
  [{ type: 'selector', dimension: 'n', value: 'x' }, [null]],
  [{ type: 'equals', column: 'page', matchValueType: 'STRING', matchValue: 'a' }, [1, 7]],
  [{ type: 'equals', column: 'n', matchValueType: 'LONG', matchValue: -5 }, [-5]],
  [{ type: 'null', column: 'n' }, [null]],
  [{ type: 'in', dimension: 'user', values: ['ann', null] }, [1, '9007199254740993', null, 7]],
  [{ type: 'in', dimension: 'n', values: ['1', '-5'] }, [1, -5]],
  [
    { type: 'bound', dimension: 'page', lower: 'a', upper: 'c', upperStrict: true },
    [1, '9007199254740993', 7],
  ],
  [{ type: 'bound', dimension: 'user', upper: 'b' }, [1, '9007199254740993', null, 7]],
  [{ type: 'bound', dimension: 'n', lower: '1', upper: '7', ordering: 'numeric' }, [1, 7, 7]],
  [{ type: 'bound', dimension: 'n', upper: '5', ordering: 'numeric' }, [1, -5]],
  [{ type: 'range', column: 'd', matchValueType: 'DOUBLE', lower: 0, upper: 100, upperOpen: true }, [1, 7]],
  [{ type: 'like', dimension: 'page', pattern: 'b%' }, ['9007199254740993']],
  [{ type: 'interval', dimension: '__time', intervals: ['2024-01-02/2024-01-03'] }, [7, 7]],
  [
    {
      type: 'and',
      fields: [
        {
          type: 'or',
          fields: [
            { type: 'selector', dimension: 'page', value: 'a' },
            { type: 'selector', dimension: 'page', value: 'c' },
          ],
        },
        { type: 'range', column: '__time', matchValueType: 'LONG', lower: 1704153600000 },
      ],
    },
    [7, 7],
  ],
];

/** The filters that `version` knows, with what it keeps. */
export function filtersIn(version: ContractVersion): readonly Filtered[] {
  const { hasInTypeFilter, negationFindsNull } = answersOf(version);
  const inType = { type: 'inType', column: 'n', matchValueType: 'LONG', sortedValues: [1, 7] };
  const not = { type: 'not', field: { type: 'selector', dimension: 'user', value: 'ann' } };
  return [
    ...FILTERS,
    [not, [...(negationFindsNull ? ['9007199254740993', null] : []), -5, 7]],
    ...(hasInTypeFilter ? [[inType, [1, 7, 7]] satisfies Filtered] : []),
  ];
}
