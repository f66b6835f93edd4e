/**
 * Rows for a Druid that reads Kafka: most of them of just now, some of them old.
 * Boundary: it produces and remembers what it produced as a count and a hash, not as rows.
 */
import { createHash } from 'node:crypto';
import type { DruidClient } from '@millrace/druid-client';
import { Producer, stringSerializers } from '@platformatic/kafka';

/** `fresh`: of the last second. `old`: of the day two days ago. */
export type FeedKind = 'fresh' | 'old';

export interface FeedRow {
  readonly id: number;
  readonly kind: FeedKind;
  readonly timeMs: number;
}

/** A multiset of rows: equal if count and sum are, in whichever order the rows came. */
export class RowSum {
  count = 0;
  hash = 0n;

  add({ id, kind, timeMs }: FeedRow): void {
    this.count++;
    const digest = createHash('sha256').update(`${id}|${kind}|${timeMs}`).digest();
    this.hash = BigInt.asUintN(64, this.hash + digest.readBigUInt64BE());
  }

  static of(rows: Iterable<FeedRow>): RowSum {
    const sum = new RowSum();
    for (const row of rows) sum.add(row);
    return sum;
  }
}

const dayMs = 86_400_000;
const partitions = 2;

export class KafkaFeed {
  readonly produced: Readonly<Record<FeedKind, RowSum>> = { fresh: new RowSum(), old: new RowSum() };
  /** Start of the day that old rows belong to. */
  readonly oldDayMs: number;
  readonly topic: string;
  private readonly bootstrapServers: string;
  private readonly producer: Producer<string, string, string, string>;
  private nextId = 0;

  constructor(bootstrapServers: string, topic: string, nowMs: number) {
    this.topic = topic;
    this.bootstrapServers = bootstrapServers;
    this.oldDayMs = Math.floor(nowMs / dayMs) * dayMs - 2 * dayMs;
    this.producer = new Producer({
      clientId: 'feed',
      bootstrapBrokers: [bootstrapServers],
      serializers: stringSerializers,
      autocreateTopics: true,
    });
  }

  get total(): RowSum {
    const { fresh, old } = this.produced;
    const sum = new RowSum();
    sum.count = fresh.count + old.count;
    sum.hash = BigInt.asUintN(64, fresh.hash + old.hash);
    return sum;
  }

  /** Sends a batch; every twentieth row is old. */
  async send(count: number, nowMs: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, i) => {
      const id = this.nextId++;
      const row: FeedRow =
        id % 20 === 7
          ? { id, kind: 'old', timeMs: this.oldDayMs + ((id * 7919) % 10_800) * 1000 }
          : { id, kind: 'fresh', timeMs: nowMs - (i % 1000) };
      this.produced[row.kind].add(row);
      return { topic: this.topic, partition: id % partitions, value: JSON.stringify(row) };
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
  /** How long a task reads before it publishes, such as `PT8S`. */
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
      tuningConfig: { type: 'kafka', maxRowsPerSegment: 2000, intermediatePersistPeriod: 'PT5S' },
    },
    context: { useConcurrentLocks: true },
  });
}
