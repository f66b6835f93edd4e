/** What the Druid sink of another stream processor, Apache SeaTunnel, gets wrong, and that this one does not. */
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { druidSchema, DruidSink } from '../../src/index.js';
import {
  FIRST_DAY,
  flights,
  flightSchema,
  SinkJob,
  temporaryDirectory,
  type Flight,
} from '../support/sink-harness.js';

const HOUR_MS = 3_600_000;

let druid: EmbeddedDruid;
let dataSource: string;
let spoolDirectory: string;
let datasources = 0;

beforeAll(async () => void (druid = await EmbeddedDruid.start()));
afterAll(() => druid.stop());
beforeEach(async () => {
  druid.clearFaults();
  dataSource = `mistakes_${++datasources}`;
  spoolDirectory = await temporaryDirectory();
});

function newJob(): SinkJob {
  const client = { url: druid.url, retry: { maxAttempts: 1 } };
  return new SinkJob(
    new DruidSink<Flight>({
      ...{ druid: client, spoolDirectory, inlineMaxBytes: 0, unavailableTimeoutMs: 1_000 },
      schema: { ...flightSchema(dataSource), segmentGranularity: 'hour' },
    }),
  );
}

/** Past our packages. */
async function query(sql: string): Promise<unknown[][]> {
  const answer = await fetch(`${druid.url}/druid/v2/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: sql, resultFormat: 'array' }),
  });
  return (await answer.json()) as unknown[][];
}

const count = () => query(`SELECT COUNT(*) FROM "${dataSource}"`);

describe("SeaTunnel's sink never clears its buffer after a flush", () => {
  it('writes with each flush what came since the last one, not what was written before as well', async () => {
    const job = newJob();
    const committer = await job.committer();
    for (const [nth, size] of [100, 50, 25].entries()) {
      const requests = await job.checkpoint(nth + 1, flights(size));
      expect(requests.map(({ committable }) => committable.rows)).toEqual([size]);
      await committer.commit(requests);
    }
    expect(await count()).toEqual([[175]]);
  });
});

describe("SeaTunnel's sink replaces the hour on every flush", () => {
  it('adds to an hour that has rows, of its own and of others, and replaces none', async () => {
    const first = newJob();
    const second = newJob();
    const ofFirst = await first.committer();
    const ofSecond = await second.committer();
    const inOneHour = (minute: number): Flight[] => [
      { date: FIRST_DAY + minute * 60_000, origin: 'SFO', delay: minute },
    ];
    await ofFirst.commit(await first.checkpoint(1, inOneHour(1)));
    await ofFirst.commit(await first.checkpoint(2, inOneHour(2)));
    await ofSecond.commit(await second.checkpoint(7, inOneHour(3)));
    expect(await query(`SELECT "delay" FROM "${dataSource}" ORDER BY "__time"`)).toEqual([[1], [2], [3]]);
  });
});

describe("SeaTunnel's sink ignores the HTTP status", () => {
  it.each([400, 401, 403, 500, 503])(
    'does not take HTTP %i for success: the rows stay on disk, and come later',
    async (status) => {
      const job = newJob();
      const refused = await job.committer();
      const requests = await job.checkpoint(1, flights(20));
      druid.failNext({ method: 'POST', path: '/druid/indexer/v1/task', status, times: 1_000 });
      await expect(refused.commit(requests)).rejects.toMatchObject({
        code: expect.stringMatching(/^DRUID_SINK_/),
      });
      await refused.close?.();
      druid.clearFaults();
      const committer = await job.committer(requests);
      await committer.commit(requests);
      expect(await count()).toEqual([[20]]);
    },
  );
});

describe("SeaTunnel's sink stamps all rows with one processing time", () => {
  it('gives each row its own time, not that of the flush', async () => {
    const job = newJob();
    const committer = await job.committer();
    const times = [0, 1, HOUR_MS - 1, HOUR_MS, 26 * HOUR_MS].map((ms) => FIRST_DAY + ms);
    const rows = times.map((date, i) => ({ date, origin: `A${i}`, delay: i }));
    await committer.commit(await job.checkpoint(1, rows));
    const found = await query(
      `SELECT TIMESTAMP_TO_MILLIS("__time"), "delay" FROM "${dataSource}" ORDER BY "__time"`,
    );
    expect(found).toEqual(times.map((time, i) => [time, i]));
  });
});

describe("SeaTunnel's sink shifts columns on null", () => {
  it('leaves every value in its column where one beside it is null', async () => {
    interface Wide {
      date: number;
      a: string | null;
      b: number | null;
      c: string | null;
      d: number | null;
    }
    const job = new SinkJob(
      new DruidSink<Wide>({
        ...{ druid: { url: druid.url }, spoolDirectory },
        schema: druidSchema<Wide>()({
          dataSource,
          timestamp: 'date',
          dimensions: { a: 'string', b: 'long', c: 'string', d: 'double' },
          segmentGranularity: 'day',
        }),
      }) as unknown as DruidSink<Flight>,
    );
    // Every pattern of nulls.
    const rows = Array.from({ length: 16 }, (_, bits): Wide => {
      const orNull = <V>(bit: number, value: V) => ((bits >> bit) & 1 ? null : value);
      return {
        date: FIRST_DAY + bits,
        a: orNull(0, 'a'),
        b: orNull(1, 2),
        c: orNull(2, 'c'),
        d: orNull(3, 4.5),
      };
    });
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, rows as unknown as Flight[]));
    const found = await query(`SELECT "a", "b", "c", "d" FROM "${dataSource}" ORDER BY "__time"`);
    expect(found).toEqual(rows.map(({ a, b, c, d }) => [a, b, c, d]));
  });
});
