/**
 * A job that reads Druid into files, its process killed at random moments and started again at another parallelism: the files
 * hold every row once. `MILLRACE_KILL_SEEDS` sets how often that is done for each way of reading, once unless told.
 */
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { edits, upTo } from '../support/edits.js';
import { append } from '../support/ingest.js';
import type { Program } from '../../../../tooling/killed-program.js';
import { Random } from '../support/random.js';
import { ReadingJob, type ReadingJobOptions } from '../support/reading-job.js';

const seeds = Array.from({ length: Number(process.env['MILLRACE_KILL_SEEDS'] ?? 1) }, (_, i) => i + 1);
const kills = 6;
const dimensions = ['page', { type: 'long', name: 'added' }];

let embedded: EmbeddedDruid;
let druid: DruidClient;
let program: Program;

describe.each(seeds)('a job whose process is killed (seed %i)', (seed) => {
  let job: ReadingJob;
  const create = async (options: Pick<ReadingJobOptions, 'dataSource' | 'reads'>) =>
    (job = await ReadingJob.create(program, { url: embedded.url, path: 'broker', ...options }));

  afterEach(() => job.remove());

  it.each(['segments', 'any', 'total'] as const)(
    'has every row once in its files (%s)',
    async (reads) => {
      const random = new Random(seed);
      await create({ dataSource: 'edits', reads });
      while (!(await job.start(random, job.starts < kills ? 30 : undefined)));
      expect(job.starts).toBeGreaterThan(3);
      expect(await job.rows()).toEqual(upTo(3000));
    },
    240_000,
  );

  it('has every row once that was appended while it followed the datasource', async () => {
    const random = new Random(seed);
    const dataSource = `growing${seed}`;
    await create({ dataSource, reads: 'follow' });
    let rowCount = 0;
    for (; rowCount < 900; rowCount += 300) {
      const running = job.start(random, 30);
      await append(druid, dataSource, edits(rowCount, 300), { dimensions });
      await running;
    }
    while ((await job.rows()).length < rowCount) await job.start(random, 30);
    for (let i = 0; i < 2; i++) await job.start(random, 5); // one more row would show itself
    expect(await job.rows()).toEqual(upTo(rowCount));
  }, 240_000);
});

beforeAll(async () => {
  [program, embedded] = await Promise.all([ReadingJob.prepareProgram(), EmbeddedDruid.start()]);
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  await append(druid, 'edits', edits(0, 3000), { dimensions, maxRowsPerSegment: 400 });
}, 240_000);

afterAll(async () => {
  druid?.close();
  await embedded?.stop();
  await program?.remove();
});
