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
  druidRoutes,
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
  /** A supervisor asks its tasks for their offsets 15 s after its start: meanwhile the others are tested. */
  let reading: Promise<KafkaCommitDone[]>;

  beforeAll(async () => {
    const [broker, { url }] = await Promise.all([KafkaBroker.start(), sharedDruid()]);
    kafka = broker;
    druid = new DruidClient({ url });
    reading = run('kafka_read', { from: 0, count: 2_000 }, { waitUntil: 'published', commitIdColumn: false });
    reading.catch(() => undefined); // the test says so
  });
  afterAll(async () => {
    druid?.close();
    await kafka?.stop();
  });

  const transportOf = (topic: string): RowTransport =>
    kafkaTransport({ bootstrapServers: kafka.bootstrapServers, topic, partitions: 3 });
  /** A topic for each datasource. */
  const transportOfMany = (): RowTransport =>
    kafkaTransport({
      bootstrapServers: kafka.bootstrapServers,
      topic: (dataSource) => `to-${dataSource}`,
      transactionalIdPrefix: 'kafka-routes',
      partitions: 3,
    });

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
    // Where the next supervisor starts before they have published, Druid reads their rows again, and shows them twice for a while.
    const tasks = () => druid.tasks.list({ state: 'running', datasource: dataSource });
    await expect.poll(tasks, { timeout: 100_000 }).toEqual([]);
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

  it('has every row queryable about a second after its checkpoint, and takes its supervisor down', async () => {
    const done = await run('kafka_orders', { from: 0, count: 20_000, perSecond: 5_000 });
    expect(done.reduce((sum, { rows }) => sum + rows, 0)).toBe(20_000);
    const [found] = await totals('kafka_orders');
    expect(found?.result).toEqual(expected(20_000));
    expect(await druid.supervisors.status('kafka_orders')).toBeUndefined();
  });

  it('goes on where it was with another specification, and suspends the supervisor', async () => {
    await run(
      'kafka_orders',
      { from: 20_000, count: 2_000 },
      { supervisor: { taskDuration: 'PT2H', atEnd: 'suspend', ioConfig } },
    );
    const [found] = await totals('kafka_orders');
    expect(found?.result).toEqual(expected(22_000));
    expect(await druid.supervisors.status('kafka_orders')).toMatchObject({ suspended: true });
  });

  it('finds rows that Druid has rejected, and hands each of them on once', async () => {
    const rejected: RejectedKafkaRow[] = [];
    await run(
      'kafka_orders',
      { from: 22_000, count: 1_000 },
      {
        transport: damaging(transportOf('kafka_orders'), [
          [`{"__time":${orderOf(22_007).at},`, '{"__time":"never",'],
          [`{"__time":${orderOf(22_008).at},`, '{"__time":,'],
        ]),
        onRejectedRow: (row) => rejected.push(row),
      },
    );
    const [found] = await totals('kafka_orders');
    const { rows, amount } = expected(23_000);
    expect(found?.result).toEqual({ rows: rows - 2, amount: amount - 7 - 8 });
    expect(rejected.map(({ reason }) => /"?amount"?[:=](\d+)/.exec(reason)?.[1]).sort()).toEqual(['7', '8']);
  });

  it('writes one stream into many datasources, and dead letters of its own and of Druid beside them', async () => {
    const done = await run(
      'kafka_routes',
      { from: 0, count: 1_000 },
      {
        schema: druidRoutes<Order>()({
          route: ({ shop }) =>
            (shop === 's0' ? 'none' : Number(shop.slice(1)) % 2 === 0 ? 'even' : 'odd') as 'even',
          schemas: { even: schemaOf('kafka_even'), odd: schemaOf('kafka_odd') },
        }),
        deadLetters: { dataSource: 'kafka_letters' },
        transport: damaging(transportOfMany(), [[`{"__time":${orderOf(8).at},`, '{"__time":"never",']]),
      },
    );
    const ofShops = (shops: readonly number[]) =>
      Array.from({ length: 1_000 }, (_, n) => n).filter((n) => shops.includes(n % 7));
    const counts = {
      kafka_even: ofShops([2, 4, 6]),
      kafka_odd: ofShops([1, 3, 5]),
      kafka_letters: ofShops([0]),
    };
    for (const [dataSource, { length }] of Object.entries(counts)) {
      const rows = done.filter((event) => event.dataSource === dataSource).map((event) => event.rows);
      expect(rows.reduce((sum, each) => sum + each, 0)).toBe(length);
    }
    const amount = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + orderOf(n).amount, 0);
    const { kafka_even: even, kafka_odd: odd } = counts;
    expect((await totals('kafka_even'))[0]?.result).toEqual({ rows: even.length, amount: amount(even) });
    expect((await totals('kafka_odd'))[0]?.result).toEqual({ rows: odd.length - 1, amount: amount(odd) - 8 });
    const letters = await druid.native.groupBy({
      dataSource: 'kafka_letters',
      intervals: ['2001/2100'],
      granularity: 'all',
      dimensions: ['dataSource'],
      aggregations: [{ type: 'count', name: 'rows' }],
      context: { useCache: false },
    });
    expect(Object.fromEntries(letters.map(({ event }) => [event.dataSource, event.rows]))).toEqual({
      none: ofShops([0]).length,
      kafka_odd: 1,
    });
  });

  it('knows by the offsets of its tasks that Druid has read all', async () => {
    const done = await reading;
    expect(done.reduce((sum, { rows }) => sum + rows, 0)).toBe(2_000);
    const [found] = await totals('kafka_read');
    expect(found?.result).toEqual(expected(2_000));
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
