/** Feeds Kafka with rows for Druid: most of them of just now, some of them old. It remembers what it produced. */
import type { DruidClient } from '@millrace/druid-client';
import { Producer, stringSerializers } from '@platformatic/kafka';

/** `[id, kind, epoch milliseconds]`. `fresh`: of the last second. `old`: of the day two days ago. */
export type FeedRow = readonly [id: number, kind: 'fresh' | 'old', timeMs: number];

const dayMs = 86_400_000;
const partitions = 2;

export class KafkaFeed {
  readonly produced: FeedRow[] = [];
  /** Start of the day that old rows belong to. */
  readonly oldDayMs: number;
  readonly topic: string;
  private readonly producer: Producer<string, string, string, string>;

  constructor(bootstrapServers: string, topic: string, nowMs: number) {
    this.topic = topic;
    this.oldDayMs = Math.floor(nowMs / dayMs) * dayMs - 2 * dayMs;
    this.producer = new Producer({
      clientId: 'feed',
      bootstrapBrokers: [bootstrapServers],
      serializers: stringSerializers,
      autocreateTopics: true,
    });
  }

  /** Sends a batch; every twentieth row is old. */
  async send(count: number, nowMs: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, i) => {
      const id = this.produced.length;
      const row: FeedRow =
        id % 20 === 7
          ? [id, 'old', this.oldDayMs + ((id * 7919) % 10_800) * 1000]
          : [id, 'fresh', nowMs - (i % 1000)];
      this.produced.push(row);
      const value = JSON.stringify({ id, kind: row[1], timeMs: row[2] });
      return { topic: this.topic, partition: id % partitions, value };
    });
    await this.producer.send({ messages });
  }

  close(): Promise<void> {
    return this.producer.close();
  }
}

export interface SupervisorOptions {
  readonly dataSource: string;
  readonly bootstrapServers: string;
  /** One shorter than `PT1M` makes every task fail (33.0.0). */
  readonly taskDuration: string;
}

/** A supervisor that publishes often, in hours, while compactions may run beside it. */
export async function startSupervisor(
  druid: DruidClient,
  { dataSource, bootstrapServers, taskDuration }: SupervisorOptions,
): Promise<void> {
  await druid.supervisors.submit({
    type: 'kafka',
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: { column: 'timeMs', format: 'millis' },
        dimensionsSpec: { dimensions: [{ type: 'long', name: 'id' }, 'kind'] },
        granularitySpec: { segmentGranularity: 'HOUR', queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        topic: dataSource,
        inputFormat: { type: 'json' },
        useEarliestOffset: true,
        taskCount: 2,
        taskDuration,
        startDelay: 'PT0S',
        period: 'PT1S',
        pollTimeout: 100,
        consumerProperties: { 'bootstrap.servers': bootstrapServers },
      },
      tuningConfig: {
        type: 'kafka',
        maxRowsPerSegment: 4000,
        maxTotalRows: 6000,
        intermediatePersistPeriod: 'PT5S',
      },
    },
    context: { useConcurrentLocks: true },
  });
}
