import { RestartStrategies, StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { ExternalSystem, MemoryCheckpointStorage, TransactionalSink } from '@millrace/core-stream/testing';
import { sql } from '@millrace/druid-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DruidSqlSource } from '../../src/index.js';
import { FakeSql } from '../support/fake-sql.js';

const startMs = Date.UTC(2024, 0, 1);
const splitMs = 3000;

let druid: FakeSql;

beforeEach(async () => {
  druid = await FakeSql.start({ __time: 'TIMESTAMP', added: 'BIGINT' });
});

afterEach(() => druid.stop());

it.each(['any', 'total'] as const)(
  'commits every row once through restarts of the job (%s)',
  async (order) => {
    const system = new ExternalSystem<number>();
    // Waits until what came two ranges before is committed, so that checkpoints and ranges take turns.
    druid.answer = async ({ parameters }) => {
      const [from, to] = parameters.map((ms) => Number(ms) - startMs) as [number, number];
      while (system.visible.length < from - 2 * splitMs)
        await new Promise((resolve) => setTimeout(resolve, 1));
      const numbers = Array.from({ length: to - from }, (_, i) => from + i);
      return { rows: numbers.map((n) => [new Date(startMs + n).toISOString(), n]) };
    };
    const source = new DruidSqlSource({
      druid: { url: druid.url },
      query: ({ condition }) => sql`SELECT __time, added FROM edits WHERE ${condition} ORDER BY __time`,
      interval: { start: startMs, end: startMs + 20_000 },
      splitMs,
      columns: { __time: 'timestamp not null', added: 'long not null' },
      order,
    });
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.enableCheckpointing({ intervalMs: 2, storage: new MemoryCheckpointStorage() });
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 20, delayMs: 1 }));
    let committed = 0;
    let records = 0;
    env
      .fromSource(source, WatermarkStrategy.noWatermarks(), 'edits')
      .setParallelism(2)
      .map(({ added }) => {
        if (system.visible.length > committed && ++records % 800 === 0) {
          committed = system.visible.length; // at least one checkpoint between two faults
          throw new Error('a fault');
        }
        return added;
      })
      .sinkTo(new TransactionalSink(system));
    const result = await env.execute('restarts');
    expect(result.numRestarts).toBeGreaterThanOrEqual(2);
    expect([...system.visible].sort((a, b) => a - b)).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
  },
);
