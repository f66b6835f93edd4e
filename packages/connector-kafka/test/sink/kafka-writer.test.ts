import { describe, expect, it, vi } from 'vitest';
import { KafkaSink } from '../../src/index.js';
import { BatchSender } from '../../src/sink/batch-sender.js';
import { contextOf } from '../support/kafka.js';

describe('KafkaWriter', () => {
  const timestampsOf = async (...eventTimes: (number | undefined)[]) => {
    const add = vi.spyOn(BatchSender.prototype, 'add');
    const sink = new KafkaSink<string>({
      bootstrapServers: '127.0.0.1:1',
      serializer: (value) => ({ topic: 't', value }),
    });
    const writer = await sink.createWriter(contextOf());
    try {
      for (const timestamp of eventTimes) writer.write('x', { timestamp, currentWatermark: 0 });
      return add.mock.calls.map(([, { timestamp }]) => timestamp);
    } finally {
      add.mockRestore();
      await writer.close();
    }
  };

  it('writes the millisecond in which an event time is', async () => {
    expect(await timestampsOf(1_700_000_000_123.75, 7)).toEqual([1_700_000_000_123, 7]);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses the event time %s', async (timestamp) => {
    await expect(timestampsOf(timestamp)).rejects.toMatchObject({ code: 'KAFKA_RECORD' });
  });
});
