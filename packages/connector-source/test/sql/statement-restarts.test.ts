import { RestartStrategies, StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { ExternalSystem, MemoryCheckpointStorage, TransactionalSink } from '@millrace/core-stream/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DruidStatementSource } from '../../src/index.js';
import { FakeStatements } from '../support/fake-statements.js';

const pageRows = 1000;
let druid: FakeStatements;

beforeEach(async () => {
  druid = await FakeStatements.start({ n: ['BIGINT', 'LONG'] });
});

afterEach(() => druid.stop());

async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function environment() {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  env.enableCheckpointing({ intervalMs: 2, storage: new MemoryCheckpointStorage() });
  env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 3, delayMs: 1 }));
  const source = new DruidStatementSource({
    druid: { url: druid.url },
    query: 'SELECT n FROM edits',
    columns: { n: 'long not null' },
  });
  return { env, rows: env.fromSource(source, WatermarkStrategy.noWatermarks(), 'edits') };
}

it('commits every row of one run once through a restart, which finds the statement as it was', async () => {
  const system = new ExternalSystem<number>();
  druid.pages = Array.from({ length: 5 }, (_, page) =>
    Array.from({ length: pageRows }, (_, i) => ({ n: page * pageRows + i })),
  );
  // So that the fault has a checkpoint before it.
  druid.beforePage = (page) => until(() => system.visible.length >= (page - 2) * pageRows);
  const { env, rows } = environment();
  let hasFailed = false;
  rows
    .setParallelism(2)
    .map(({ n }) => {
      if (n >= 3.5 * pageRows && !hasFailed) {
        hasFailed = true;
        throw new Error('a fault');
      }
      return n;
    })
    .sinkTo(new TransactionalSink(system));
  const result = await env.execute('restarts');
  expect(result.numRestarts).toBe(1);
  expect([...system.visible].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 5 * pageRows }, (_, i) => i),
  );
  expect(druid.submitted.size).toBe(1);
  expect(druid.cancelled).toEqual([]);
});

it('cancels a statement that runs when the job fails for good', async () => {
  druid.state = 'RUNNING';
  const { env, rows } = environment();
  rows.map(({ n }) => n).sinkTo(new TransactionalSink(new ExternalSystem<number>()));
  env
    .fromAsyncIterable(async function* () {
      await until(() => druid.requests.includes('GET status'));
      yield 1;
    })
    .map((): number => {
      throw Object.assign(new Error('a record that does not fit'), { retryable: false });
    })
    .sinkTo(new TransactionalSink(new ExternalSystem<number>()));
  await expect(env.execute('fails')).rejects.toThrow('a record that does not fit');
  expect(druid.cancelled).toEqual([...druid.submitted.keys()]);
});
