import { silentLogger } from '@millrace/core-stream';
import { ManualClock, TestMetrics, until } from '@millrace/core-stream/testing';
import { describe, expect, it } from 'vitest';
import type { BrokerAddress } from '../../src/protocol/cluster-apis.js';
import type { KafkaClient } from '../../src/protocol/kafka-client.js';
import {
  fetchRecordsByName,
  listLocalOffsets,
  listOffsets,
  type FetchRequest,
} from '../../src/protocol/read-apis.js';
import { FetchedSplit } from '../../src/source/fetched-split.js';
import type { KafkaSplit } from '../../src/source/kafka-split.js';
import { PartitionFetcher } from '../../src/source/partition-fetcher.js';
import { createSourceMetrics } from '../../src/source/source-metrics.js';
import type { SourceSettings } from '../../src/source/source-settings.js';

const NOT_LEADER = 6;
const MAX_BUFFERED_BYTES = 1_000;
const TWO_MINUTES = 120_000;

const UNKNOWN_TOPIC_ID = 100;

/**
 * Partitions 0 and 2 are led by broker 0, 1 and 3 by broker 1. `answer`: an error code for every partition asked for.
 * `topicIds`: those that the topic has had, the last one being the present one; offsets are listed as 7. `broker`: its
 * versions, where partitions end, and where remote storage does.
 */
function open(
  partitions: number,
  answer: (broker: number, asked: number[]) => number | Promise<number>,
  topicIds: (string | undefined)[] = ['a'],
  more: Partial<SourceSettings> = {},
  split: Partial<KafkaSplit> = {},
  broker = { isOld: false, highWatermark: 0, firstLocalOffset: 0 },
) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const client = {
    unavailableTimeoutMs: TWO_MINUTES,
    context: { clock, logger: silentLogger, signal: stop.signal },
    metadata: () =>
      Promise.resolve({
        brokers: [0, 1].map((nodeId) => ({ nodeId, host: 'a', port: nodeId })),
        topics: [
          {
            name: 't',
            topicId: topicIds.at(-1),
            errorCode: 0,
            partitions: Array.from({ length: partitions }, (_, partition) => ({
              partition,
              leaderId: partition % 2,
            })),
          },
        ],
      }),
    understands: () => Promise.resolve(!broker.isOld),
    request: async ({ nodeId }: BrokerAddress, api: unknown, request: FetchRequest) => {
      const listed = { topic: 't', partition: 0, errorCode: 0 };
      if (api === listOffsets) return [{ ...listed, offset: 7 }];
      if (api === listLocalOffsets) return [{ ...listed, offset: broker.firstLocalOffset }];
      const [{ topic, partitions: ofTopic }] = request.topics as [FetchRequest['topics'][0]];
      const asked = ofTopic.map(({ partition }) => partition);
      const present = api === fetchRecordsByName ? 't' : topicIds.at(-1);
      const errorCode = topic === present ? await answer(nodeId, asked) : UNKNOWN_TOPIC_ID;
      const { highWatermark } = broker;
      const empty = { highWatermark, lastStableOffset: highWatermark, aborted: [], records: Buffer.alloc(0) };
      return {
        errorCode: 0,
        throttleMs: 0,
        partitions: asked.map((partition) => ({ ...empty, topic, partition, errorCode })),
      };
    },
  } as unknown as KafkaClient;
  const settings = {
    isReadCommitted: true,
    fetch: {
      maxWaitMs: 1,
      minBytes: 1,
      maxBytes: 1_000,
      maxPartitionBytes: 1_000,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
    },
    ...more,
  } as SourceSettings;
  const metrics = createSourceMetrics(new TestMetrics().group);
  const fetcher = new PartitionFetcher<string>({ client, settings, metrics, onChange: () => undefined });
  const splits = Array.from(
    { length: partitions },
    (_, partition) =>
      new FetchedSplit<string>({ splitId: `t-${partition}`, topic: 't', partition, offset: 0, ...split }),
  );
  for (const split of splits) fetcher.add(split);
  fetcher.start();
  const close = async () => {
    stop.abort();
    await fetcher.stopped();
  };
  return { clock, fetcher, splits, close };
}

describe('PartitionFetcher', () => {
  it('serves each partition of a leader first in turn, whatever other leaders are asked', async () => {
    const firsts = [new Set<number>(), new Set<number>()];
    let count = 0;
    const { close } = open(4, async (broker, asked) => {
      firsts[broker]!.add(asked[0]!);
      if (++count > 20) await new Promise<void>((resolve) => setImmediate(resolve));
      return 0;
    });
    await until(() => count > 20);
    await close();
    expect(firsts).toEqual([new Set([0, 2]), new Set([1, 3])]);
  });

  it('does not take the time in which it had no room for an outage (invariant 3)', async () => {
    let count = 0;
    let isHeld = false;
    const { clock, fetcher, splits, close } = open(1, async () => {
      count++;
      if (count === 1) {
        splits[0]!.bufferedBytes = MAX_BUFFERED_BYTES; // the job stands still
        return NOT_LEADER;
      }
      if (count === 2) return NOT_LEADER;
      isHeld = true;
      await new Promise<void>((resolve) => setImmediate(resolve));
      return 0;
    });
    await until(
      () => count === 1 && splits[0]!.leaderId !== undefined && splits[0]!.failures === 1,
      () => clock.advance(50),
    );
    for (let i = 0; i < 3; i++) clock.advance(TWO_MINUTES);
    splits[0]!.bufferedBytes = 0;
    fetcher.wake();
    await until(
      () => isHeld || fetcher.failure !== undefined,
      () => clock.advance(50),
    );
    expect(fetcher.failure).toBeUndefined();
    await close();
  });

  it.each([
    ['a broker that does not know ids', 'a', true],
    ['a topic that has none', undefined, false],
  ])('fetches by name from %s', async (_, topicId, isOld) => {
    const answers = () => new Promise<number>((resolve) => setImmediate(resolve, 0));
    const broker = { isOld, highWatermark: 3, firstLocalOffset: 0 };
    const { splits, fetcher, close } = open(1, answers, [topicId], {}, {}, broker);
    await until(() => splits[0]!.endOffset >= 0 || fetcher.failure !== undefined);
    expect(splits[0]!.endOffset).toBe(3);
    await close();
  });

  it('ends bounded reading where compaction has left nothing, but not where remote storage is slow', async () => {
    let count = 0;
    const answers = () => new Promise<number>((resolve) => setImmediate(resolve, (count++, 0)));
    const broker = { isOld: false, highWatermark: 90, firstLocalOffset: 50 };
    const { splits, close } = open(1, answers, ['a'], {}, { stoppingOffset: 90 }, broker);
    await until(() => count > 3);
    expect([splits[0]!.next(), splits[0]!.position]).toEqual([undefined, 0]);
    broker.firstLocalOffset = 0;
    await until(() => splits[0]!.hasBuffered);
    expect([splits[0]!.next(), splits[0]!.position]).toEqual([undefined, 90]);
    await close();
  });

  describe('of a topic that is made anew (invariant 4)', () => {
    const answers = () => new Promise<number>((resolve) => setImmediate(resolve, 0));
    const recreated = async (more: Partial<SourceSettings>, split: Partial<KafkaSplit> = {}) => {
      const topicIds = ['a'];
      const opened = open(1, answers, topicIds, more, split);
      const { clock, fetcher, splits } = opened;
      await until(() => splits[0]!.endOffset >= 0 || fetcher.failure !== undefined);
      topicIds.push('b');
      await until(
        () => fetcher.failure !== undefined || splits[0]!.fetchTopicId === 'b',
        () => clock.advance(50),
      );
      await opened.close();
      return opened;
    };

    it('does not read on, with its positions of the old one', async () => {
      const { fetcher } = await recreated({ onOffsetOutOfRange: 'fail' });
      expect(fetcher.failure?.error).toMatchObject({
        code: 'KAFKA_OFFSET',
        message: expect.stringMatching(/offset 0 of the topic with id a, but 't' has the id b/) as string,
      });
    });

    it('goes on there where it is told to, unless it is to stop at an offset of the old one', async () => {
      const { fetcher, splits } = await recreated({ onOffsetOutOfRange: 'earliest' });
      expect(fetcher.failure).toBeUndefined();
      expect([splits[0]!.fetchTopicId, splits[0]!.fetchOffset]).toEqual(['b', 7]);
      const bounded = await recreated({ onOffsetOutOfRange: 'earliest' }, { stoppingOffset: 90 });
      expect(bounded.fetcher.failure?.error).toMatchObject({ code: 'KAFKA_OFFSET' });
    });

    it('recognises it in a restored checkpoint', async () => {
      const { fetcher } = await recreated({ onOffsetOutOfRange: 'fail' }, { topicId: 'z' });
      expect(fetcher.failure?.error).toMatchObject({ code: 'KAFKA_OFFSET' });
    });
  });
});
