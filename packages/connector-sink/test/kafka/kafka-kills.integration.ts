/**
 * Mode `kafka` with a real Kafka and a real Druid: a job whose process is killed by `SIGKILL` again and again, also at another
 * parallelism. `MILLRACE_SINK_KILLS` sets how often.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { transpileProgram, type Program } from '../../../../tooling/killed-program.js';

const KILLS = Number(process.env['MILLRACE_SINK_KILLS'] ?? 7);
const KEYS = 17;
/** So fast that a run lasts longer than any kill takes to come, and the last one is soon over. */
const PER_SECOND = 4_000;
const COUNT = 1_500 * KILLS;
const dataSource = 'kafka_kills';

/** So long after the program has said `line` for the `nth` time. */
interface Kill {
  readonly line: string;
  readonly nth: number;
  readonly afterMs: number;
}

const aims = ['recover', 'flush', 'prepareCommit', 'manifest', 'commit', 'commit done', 'started'] as const;

function killOf(nth: number): Kill {
  const line = aims[nth % aims.length]!;
  const isOnce = line === 'recover' || line === 'started';
  return {
    line,
    nth: isOnce ? 1 : 1 + Math.floor(Math.random() * 4),
    // Of a commit most is waiting for Druid.
    afterMs: Math.random() * (line === 'started' || line === 'commit' ? 400 : 6),
  };
}

describe.skipIf(!requireRealServers())('a job that writes to Druid through Kafka, and is killed', () => {
  let kafka: KafkaBroker;
  let druid: DruidClient;
  let program: Program;
  let directory: string;
  let url: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kafka-kills-'));
    [kafka, program, { url }] = await Promise.all([
      KafkaBroker.start(),
      transpileProgram(join(import.meta.dirname, 'support/kafka-job.mjs'), [
        'core-stream',
        'druid-client',
        'connector-kafka',
        'connector-sink',
      ]),
      sharedDruid(),
    ]);
    druid = new DruidClient({ url });
  });
  afterAll(async () => {
    await druid?.supervisors.terminate(dataSource);
    druid?.close();
    await Promise.all([kafka?.stop(), program?.remove()]);
    await rm(directory, { recursive: true, force: true });
  });

  async function totalsByKey(): Promise<Record<string, unknown>> {
    const rows = await druid.native.groupBy({
      dataSource,
      intervals: ['2001/2002'],
      granularity: 'all',
      dimensions: ['key'],
      aggregations: [
        { type: 'count', name: 'rows' },
        { type: 'longSum', name: 'sum', fieldName: 'n' },
      ],
      context: { useCache: false },
    });
    return Object.fromEntries(rows.map(({ event }) => [event.key, [event.rows, event.sum]]));
  }

  it('has every row once, by key', { timeout: 60_000 + KILLS * 20_000 }, async () => {
    let kills = 0;
    for (let hasFinished = false; !hasFinished;) {
      const options = {
        url,
        bootstrapServers: kafka.bootstrapServers,
        dataSource,
        count: COUNT,
        perSecond: PER_SECOND,
        checkpoints: join(directory, 'checkpoints'),
        parallelism: 1 + (Math.floor(kills / 2) % 3),
        waitUntil: kills % 3 === 1 ? 'submitted' : 'queryable',
      };
      hasFinished = await program.run({ ...options, kill: kills < KILLS ? killOf(kills) : undefined });
      if (!hasFinished) kills++;
    }
    // A run that only submits may be the last one.
    await expect.poll(totalsByKey, { timeout: 30_000 }).toEqual(expectedByKey());
    expect(kills).toBeGreaterThan(KILLS / 2);
  });
});

function expectedByKey(): Record<string, [number, number]> {
  const byKey: Record<string, [number, number]> = {};
  for (let n = 0; n < COUNT; n++) {
    const totals = (byKey[`k${n % KEYS}`] ??= [0, 0]);
    totals[0] += 1;
    totals[1] += n;
  }
  return byKey;
}
