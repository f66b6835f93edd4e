import { readdir } from 'node:fs/promises';
import {
  DataGeneratorSource,
  FileCheckpointStorage,
  RestartStrategies,
  StreamExecutionEnvironment,
  WatermarkStrategy,
} from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DruidSink, type CommitDone, type DruidSinkOptions } from '../src/index.js';
import { SpoolLedger } from '../src/spool/spool-ledger.js';
import { SpoolFile } from '../src/spool/spool-file.js';
import { FIRST_DAY, flightSchema, temporaryDirectory, type Flight } from './support/sink-harness.js';

let druid: EmbeddedDruid;
let client: DruidClient;

beforeAll(async () => {
  druid = await EmbeddedDruid.start();
  client = new DruidClient({ url: druid.url });
});
afterAll(async () => {
  client.close();
  await druid.stop();
});

const ROWS = 3_000;
const flight = (n: number): Flight => ({ date: FIRST_DAY + n * 1_000, origin: 'SFO', delay: n });

/** Runs a job of many checkpoints, which is started again when it fails. Every row has to be there once. */
async function run(
  dataSource: string,
  options: Partial<DruidSinkOptions<Flight>>,
  check: (n: number) => void,
) {
  const commits: CommitDone[] = [];
  const spoolDirectory = await temporaryDirectory();
  const reset = vi.spyOn(SpoolLedger.prototype, 'reset');
  onTestFinished(() => {
    reset.mockRestore();
  });
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
  env.enableCheckpointing({ intervalMs: 5, storage: new FileCheckpointStorage(await temporaryDirectory()) });
  env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 2, delayMs: 1 }));
  env
    .fromSource(
      new DataGeneratorSource(flight, ROWS, { recordsPerSecond: 10_000 }),
      WatermarkStrategy.noWatermarks(),
      'flights',
    )
    .map((each) => {
      check(each.delay ?? 0);
      return each;
    })
    .sinkTo(
      new DruidSink<Flight>({
        druid: client,
        schema: flightSchema(dataSource),
        spoolDirectory,
        taskPollIntervalMs: 5,
        onCommit: (commit) => commits.push(commit),
        ...options,
      }),
    )
    .uid('druid-sink');
  await env.execute('flights');
  expect(
    await client.sql.query(`SELECT COUNT(*) AS "rows", SUM("delay") AS "sum" FROM "${dataSource}"`),
  ).toEqual([{ rows: ROWS, sum: (ROWS * (ROWS - 1)) / 2 }]);
  const left = await readdir(spoolDirectory, { recursive: true });
  expect(left.filter((name) => name.includes('.ndjson'))).toEqual([]);
  expect(reset.mock.contexts.map((ledger) => (ledger as SpoolLedger).bytes).at(-1)).toBe(0);
  return commits;
}

describe('A job with a DruidSink', () => {
  it('writes every row once, in files of many checkpoints, when it fails and goes on', async () => {
    const failAt = new Set([1_000, 2_000]);
    const commits = await run('merged', { minCommitRows: 300, compression: 'gzip' }, (n) => {
      if (failAt.delete(n)) throw new Error(`fails once at ${n}`);
    });
    expect(failAt.size).toBe(0);
    // Those at the end of input; all others have waited until they were large enough.
    expect(commits.filter(({ rows }) => rows < 300).length).toBeLessThanOrEqual(2);
  });

  it('goes on from its last checkpoint, and writes every row once, when the disk was full', async () => {
    let isFull = false;
    const append = vi.spyOn(SpoolFile.prototype, 'append');
    onTestFinished(() => {
      append.mockRestore();
    });
    let failures = 0;
    await run('full', { minCommitRows: 300 }, (n) => {
      if (n !== 1_500 || isFull) return;
      isFull = true;
      append.mockImplementationOnce(() => {
        failures += 1;
        return Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
      });
    });
    expect(failures).toBe(1);
  });
});
