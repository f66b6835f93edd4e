/** Mode `kafka` of the sink with a real Kafka and a real Druid, without failures. */
import {
  DataGeneratorSource,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type SinkWriterContext,
} from '@millrace/core-stream';
import { MemoryCheckpointStorage } from '@millrace/core-stream/testing';
import { DruidClient } from '@millrace/druid-client';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import {
  druidSchema,
  DruidSink,
  type KafkaCommitDone,
  type KafkaModeOptions,
  type RejectedKafkaRow,
  type RowTransport,
} from '../../src/index.js';
import { kafkaTransport } from '../../src/kafka/index.js';

interface Order {
  readonly at: number;
  readonly shop: string;
  readonly amount: number;
}

const FIRST = Date.UTC(2001, 0, 1);
const orderOf = (n: number): Order => ({ at: FIRST + n * 1000, shop: `s${n % 7}`, amount: n % 100 });

/** Looks for tasks to start more often than Druid does unless told. */
const ioConfig = { period: 'PT1S', startDelay: 'PT0S' };

const schemaOf = (dataSource: string) =>
  druidSchema<Order>()({
    dataSource,
    timestamp: 'at',
    dimensions: { shop: 'string', amount: 'long' },
    segmentGranularity: 'month',
  });

describe.skipIf(!requireRealServers())('DruidSink in mode kafka', () => {
  let kafka: KafkaBroker;
  let druid: DruidClient;

  beforeAll(async () => {
    const [broker, { url }] = await Promise.all([KafkaBroker.start(), sharedDruid()]);
    kafka = broker;
    druid = new DruidClient({ url });
  });
  afterAll(async () => {
    druid?.close();
    await kafka?.stop();
  });

  const transportOf = (topic: string): RowTransport =>
    kafkaTransport({ bootstrapServers: kafka.bootstrapServers, topic, partitions: 3 });

  async function run(
    dataSource: string,
    orders: { readonly from: number; readonly count: number; readonly perSecond?: number },
    options: Partial<KafkaModeOptions<Order>> = {},
  ): Promise<KafkaCommitDone[]> {
    const done: KafkaCommitDone[] = [];
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
    env.enableCheckpointing({ intervalMs: 500, storage: new MemoryCheckpointStorage() });
    env
      .fromSource(
        new DataGeneratorSource((n) => orderOf(orders.from + n), orders.count, {
          splits: 2,
          ...(orders.perSecond !== undefined && { recordsPerSecond: orders.perSecond }),
        }),
        WatermarkStrategy.noWatermarks<Order>(),
        'orders',
      )
      .sinkTo(
        new DruidSink<Order>({
          mode: 'kafka',
          druid,
          schema: schemaOf(dataSource),
          transport: transportOf(dataSource),
          supervisor: { atEnd: 'terminate', ioConfig },
          onCommit: (event) => done.push(event),
          ...options,
        }),
      )
      .uid('druid');
    await env.execute(dataSource);
    return done;
  }

  const totals = (dataSource: string) =>
    druid.native.timeseries({
      dataSource,
      intervals: ['2001/2002'],
      granularity: 'all',
      aggregations: [
        { type: 'count', name: 'rows' },
        { type: 'longSum', name: 'amount', fieldName: 'amount' },
      ],
      context: { useCache: false },
    });

  const expected = (count: number) => ({
    rows: count,
    amount: Array.from({ length: count }, (_, n) => orderOf(n).amount).reduce((sum, each) => sum + each, 0),
  });

  it('preaggregates', async () => {
    const t0 = Date.now();
    const schema = druidSchema<Order>()({ dataSource: 'kafka_rolled', timestamp: 'at', dimensions: { shop: 'string' }, metrics: { orders: { type: 'count' }, amount: { type: 'longSum', field: 'amount' } }, rollup: true, segmentGranularity: 'month', queryGranularity: 'hour' });
    const done = await run('kafka_rolled', { from: 0, count: 20_000, perSecond: 10_000 }, { schema, preAggregate: true, supervisor: { atEnd: 'terminate', ioConfig } });
    console.log(Date.now() - t0, JSON.stringify(done.map(({ rows, timings }) => [rows, timings.submittedMs, timings.doneMs])));
    const [found] = await druid.native.timeseries({ dataSource: 'kafka_rolled', intervals: ['2001/2002'], granularity: 'all', aggregations: [{ type: 'longSum', name: 'rows', fieldName: 'orders' }, { type: 'longSum', name: 'amount', fieldName: 'amount' }], context: { useCache: false } });
    expect(found?.result).toEqual(expected(20_000));
    const t1 = Date.now();
    const more = await run('kafka_rolled', { from: 20_000, count: 2_000 }, { schema, preAggregate: true, waitUntil: 'published', supervisor: { atEnd: 'suspend', taskDuration: 'PT2H', ioConfig } });
    console.log(Date.now() - t1, JSON.stringify(more.map(({ rows, timings }) => [rows, timings.submittedMs, timings.doneMs])));
  });
});
/** Stands for rows that no Druid can parse: the encoder makes none. */
function damaging(transport: RowTransport, damages: readonly (readonly [string, string])[]): RowTransport {
  return {
    ...transport,
    async createWriter(context: SinkWriterContext) {
      const writer = await transport.createWriter(context);
      return {
        ...writer,
        write(block, writeContext) {
          const text = Buffer.from(block.value).toString();
          const damaged = damages.reduce((rows, [from, to]) => rows.replace(from, to), text);
          writer.write({ ...block, value: Buffer.from(damaged) }, writeContext);
        },
      };
    },
  };
}
