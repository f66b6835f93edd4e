import { AsyncDataStream, RestartStrategies, StreamExecutionEnvironment } from '@millrace/core-stream';
import { ExternalSystem, MemoryCheckpointStorage, TransactionalSink } from '@millrace/core-stream/testing';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DruidLookup } from '../../src/index.js';
import { append } from '../support/ingest.js';

const codes = ['a', 'b', 'c'];
const records = Array.from({ length: 1600 }, (_, n) => ({ n, code: codes[n % 3] as string }));

let embedded: EmbeddedDruid;
let druid: DruidClient;

beforeAll(async () => {
  embedded = await EmbeddedDruid.start();
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  // Each of the codes has rows for the even numbers.
  const rows = codes.flatMap((code) =>
    Array.from({ length: 50 }, (_, i) =>
      JSON.stringify({ t: 0, code, number: 2 * i, name: `${code}${2 * i}` }),
    ),
  );
  await append(druid, 'names', rows, { dimensions: ['code', { type: 'long', name: 'number' }, 'name'] });
});

afterAll(async () => {
  druid.close();
  await embedded.stop();
});

it.each(['orderedWait', 'unorderedWait'] as const)(
  'joins every record once by two columns through failures of the job and of Druid (%s)',
  async (wait) => {
    const lookup = new DruidLookup({
      druid: { url: embedded.url, retry: { maxAttempts: 1 } },
      from: 'names',
      key: { code: 'string', number: 'long' },
      columns: { name: 'string' },
      cache: { maxRows: 50 },
      batch: { maxKeys: 40, maxDelayMs: 1 },
    });
    const system = new ExternalSystem<{ n: number; name: string | undefined }>();
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.enableCheckpointing({ intervalMs: 2, storage: new MemoryCheckpointStorage() });
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 50, delayMs: 1 }));
    let committed = 0;
    let faults = 0;
    const joined = AsyncDataStream[wait](
      env.fromCollection(records),
      lookup.leftJoin({
        key: ({ code, n }: (typeof records)[number]) => ({ code, number: n % 100 }),
        join: ({ n }, found) => ({ n, name: found?.name ?? undefined }),
      }),
      { timeoutMs: 30_000, capacity: 100 },
    );
    joined
      .map((record) => {
        if (system.visible.length < committed + 100) return record;
        committed = system.visible.length; // at least one checkpoint between two faults
        if (++faults % 2 === 0) throw new Error('a fault');
        embedded.failNext({ path: '/druid/v2/sql', status: 503 });
        return record;
      })
      .sinkTo(new TransactionalSink(system));
    const { numRestarts } = await env.execute('names');
    embedded.clearFaults();
    expect(numRestarts).toBeGreaterThanOrEqual(2);
    const expected = records.map(({ n, code }) => ({
      n,
      name: n % 2 === 0 ? `${code}${n % 100}` : undefined,
    }));
    expect([...system.visible].sort((a, b) => a.n - b.n)).toEqual(expected);
  },
);
