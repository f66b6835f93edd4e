import { describe, expect, it } from 'vitest';
import { druidSchema } from '../src/index.js';
import { resolveSinkOptions } from '../src/sink-options.js';

describe('the name of the commit id column', () => {
  const schema = druidSchema<{ at: number; page: string; ms: number }>()({
    dataSource: 'visits',
    timestamp: 'at',
    dimensions: { page: 'string' },
    metrics: { visits: { type: 'count' }, ms_sum: { type: 'longSum', field: 'ms' } },
    rollup: true,
    segmentGranularity: 'day',
  });
  const shared = { druid: { url: 'http://localhost' }, schema, spoolDirectory: 'spool' };

  it.each([
    ['a dimension', 'page', {}],
    ['a metric', 'visits', {}],
    ['a field that a metric reads', 'ms', {}],
    ['a column of dead letters', 'reason', { deadLetters: { dataSource: 'letters' } }],
  ])('is not that of %s, whose values it would hide', (_, commitIdColumn, options) => {
    expect(() => resolveSinkOptions({ ...shared, ...options, commitIdColumn })).toThrow(
      `'commitIdColumn' of the Druid sink is '${commitIdColumn}'`,
    );
  });

  it('may be that of a field that rows do not have', () => {
    const { commitIdColumn } = resolveSinkOptions({ ...shared, commitIdColumn: 'reason' });
    expect(commitIdColumn).toBe('reason');
  });
});
