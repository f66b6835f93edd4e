import { describe, expect, it } from 'vitest';
import { DruidConfigError, DruidConnectionError, DruidError } from '../src/errors.js';

const error = new DruidConfigError({ message: 'no', details: { option: 'url' }, cause: 'why' });

describe('DruidError', () => {
  it('has one shape', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'DruidConfigError',
      code: 'DRUID_CONFIG',
      retryable: false,
      details: { option: 'url' },
      cause: 'why',
    });
  });

  it('is recognised by class and by base, and nothing else is', () => {
    expect([DruidError.is(error), DruidConfigError.is(error), DruidConnectionError.is(error)]).toEqual([
      true,
      true,
      false,
    ]);
    for (const other of [new Error('x'), null, undefined, 'DRUID_CONFIG', { code: 'DRUID_CONFIG' }]) {
      expect(DruidError.is(other)).toBe(false);
      expect(DruidConfigError.is(other)).toBe(false);
    }
  });
});
