import { describe, expect, it } from 'vitest';
import { DruidRemoteError } from '../src/errors.js';
import { withSqlPosition } from '../src/sql-error-position.js';
import { sql } from '../src/sql-template.js';
import { failure, fakeDruid, json } from './fake-druid.js';

const remote = (druid: object): DruidRemoteError =>
  new DruidRemoteError({ message: 'refused', details: { method: 'POST', url: 'x', status: 400, druid } });

const excerptOf = (sqlText: string, druid: object): string | undefined =>
  (withSqlPosition(remote(druid), sqlText) as DruidRemoteError).details.sqlPosition?.excerpt;

describe('the place of an error in SQL', () => {
  it('is shown in the message and kept in the details', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 400, {
        error: 'druidException',
        errorCode: 'invalidInput',
        persona: 'USER',
        category: 'INVALID_INPUT',
        errorMessage: "Object 'nope' not found (line [2], column [6])",
        context: { sourceType: 'sql', line: '2', column: '6', endLine: '2', endColumn: '9' },
      }),
    );
    const error = await failure(druid.client().sql.query(sql`SELECT ${1}\nFROM nope`));
    const excerpt = '  2 | FROM nope\n    |      ^^^^';
    expect(DruidRemoteError.is(error) && error.details.sqlPosition).toEqual({
      line: 2,
      column: 6,
      endLine: 2,
      endColumn: 9,
      excerpt,
    });
    expect((error as Error).message).toContain(`not found (line [2], column [6]). [request q1]\n${excerpt}`);
  });

  it.each([
    ['Received an unexpected token [frm] (line [1], column [10])', '  1 | SELECT * frm t\n    |          ^'],
    ['From line 1, column 10 to line 1, column 12: Object', '  1 | SELECT * frm t\n    |          ^^^'],
    ['At line 1, column 15', '  1 | SELECT * frm t\n    |               ^'],
  ])('is read out of the message: %s', (errorMessage, excerpt) => {
    expect(excerptOf('SELECT * frm t', { errorMessage })).toBe(excerpt);
  });

  it.each([
    [
      'Incorrect syntax near \'frm\' at line 1, column 10.\nWas expecting one of:\n    <EOF> \n    "AS" ...\n    ',
      "Incorrect syntax near 'frm' at line 1, column 10",
    ],
    [
      'Received an unexpected token [frm] (line [1], column [10]), acceptable options: [<EOF>, "[", "]", "AS"]',
      'Received an unexpected token [frm] (line [1], column [10])',
    ],
  ])('takes the place of the list of all tokens that would have done: %s', (errorMessage, short) => {
    for (const suffix of ['', ' [request q-1]']) {
      const error = new DruidRemoteError({
        message: `POST x answered 400: ${errorMessage}.${suffix}`,
        details: { method: 'POST', url: 'x', status: 400, druid: { errorMessage } },
      });
      const located = withSqlPosition(error, 'SELECT * frm t') as DruidRemoteError;
      expect(located.message).toBe(
        `POST x answered 400: ${short}.${suffix}\n  1 | SELECT * frm t\n    |          ^`,
      );
      expect(located.details.druid.errorMessage).toBe(errorMessage);
    }
  });

  it('stays one short line for a long statement, with the caret in its place', () => {
    const text = `SELECT ${'a, '.repeat(10_000)}nope\tFROM t`;
    const column = text.indexOf('nope') + 1;
    const excerpt =
      excerptOf(text, { context: { line: 1, column, endLine: 1, endColumn: column + 3 } }) ?? '';
    const [line = '', carets = ''] = excerpt.split('\n');
    expect(line.length).toBeLessThan(115);
    expect(line.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1)).toBe('nope');
    expect(line).not.toContain('\t');
  });

  it('is left out where it makes no sense', () => {
    for (const druid of [
      {},
      { errorMessage: 'No value bound for parameter (position [1])' },
      { errorMessage: 'line [9], column [1]' },
      { errorMessage: 'line [1], column [90]' },
      { context: { line: 'x', column: '0' } },
    ]) {
      const error = remote(druid);
      expect(withSqlPosition(error, 'SELECT 1')).toBe(error);
    }
    const other = new Error('x');
    expect(withSqlPosition(other, 'SELECT 1')).toBe(other);
  });
});
