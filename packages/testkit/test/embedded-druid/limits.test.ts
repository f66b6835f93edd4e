import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DruidHttp } from '../../src/contract/druid-http.js';
import { ingestionTask } from '../../src/contract/fixtures.js';
import type { EmbeddedDruid } from '../../src/index.js';
import { startDruid } from './support/client.js';

let druid: EmbeddedDruid;
let http: DruidHttp;

beforeEach(async () => ({ druid, http } = await startDruid()));
afterEach(() => druid.stop());

describe('values at the limits', () => {
  it.each([
    ['millis', 253402300800000],
    ['millis', -62167219200001],
    ['posix', 253402300800],
  ])('fails over a time outside the years 0 to 9999, rather than lose the row: %s %i', async (format, t) => {
    const status = await http.run(
      ingestionTask({
        dataSource: 'far',
        dimensions: ['k'],
        data: `{"t":${t},"k":"a"}\n{"t":0,"k":"b"}`,
        timestampSpec: { column: 't', format },
      }),
    );
    expect(status).toMatchObject({ status: 'FAILED', errorMsg: expect.stringContaining('years 0 to 9999') });
  });

  it('takes any text for a value, zero bytes and a megabyte included', async () => {
    for (const value of ['\0', "a\0b'\0", "it's 𝒳 ".repeat(150_000)]) {
      const parameters = [{ type: 'VARCHAR', value }];
      expect(await http.rows('SELECT ?', { parameters })).toEqual([[value]]);
      const literal = `'${value.replaceAll("'", "''")}'`;
      expect(await http.rows(`SELECT ${literal}`)).toEqual([[value]]);
    }
  });
});
