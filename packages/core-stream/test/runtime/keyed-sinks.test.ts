import { describe, expect, it } from 'vitest';
import type { Sink, SinkWriter, SinkWriterContext } from '../../src/connectors/sink.js';
import { MAX_WATERMARK, WatermarkStrategy } from '../../src/time/watermark-strategy.js';
import { MemoryCheckpointStorage } from '../../src/testing/memory-checkpoint-storage.js';
import { environment } from '../support/environment.js';

interface Order {
  readonly shop: string;
  readonly at: number;
}

/** What one writer was asked to do. */
interface Seen {
  readonly restored: readonly string[];
  readonly owned: readonly string[];
  readonly written: Set<string>;
  readonly watermarks: number[];
}

/** Keeps the shops that it has seen; each writer takes those back that it owns. */
class ShopSink implements Sink<Order, never, string> {
  readonly writers: Seen[] = [];

  partitionKey({ shop }: Order): string {
    return shop;
  }

  createWriter(context: SinkWriterContext, restored: readonly string[]): SinkWriter<Order, never, string> {
    const owned = restored.filter((shop) => context.ownsKey(shop));
    const written = new Set<string>();
    const watermarks: number[] = [];
    this.writers[context.subtaskIndex] = { restored, owned, written, watermarks };
    return {
      write({ shop }) {
        if (!context.ownsKey(shop)) throw new Error(`'${shop}' belongs to another writer`);
        written.add(shop);
      },
      writeWatermark: (watermark) => void watermarks.push(watermark),
      flush: () => undefined,
      snapshotState: () => [...new Set([...owned, ...written])],
      close: () => undefined,
    };
  }
}

const shops = Array.from({ length: 20 }, (_, index) => `shop ${index}`);
const orders = shops.flatMap((shop, index) => [
  { shop, at: index },
  { shop, at: index + 100 },
]);

async function run(storage: MemoryCheckpointStorage, parallelism: number): Promise<Seen[]> {
  const { env } = environment({ parallelism });
  env.enableCheckpointing({ intervalMs: 1_000, storage });
  const sink = new ShopSink();
  const timed = WatermarkStrategy.forMonotonousTimestamps<Order>().withTimestampAssigner(({ at }) => at);
  env.fromCollection(orders).assignTimestampsAndWatermarks(timed).sinkTo(sink).uid('shops');
  await env.execute('keyed sink');
  return sink.writers;
}

describe('a sink with a partition key', () => {
  it('P11: gives each writer all records of its keys, and the states of all writers when it is restored', async () => {
    const storage = new MemoryCheckpointStorage();
    const first = await run(storage, 2);
    expect(first.flatMap(({ written }) => [...written]).sort()).toEqual([...shops].sort());
    expect(first.every(({ written }) => written.size > 0)).toBe(true);
    for (const parallelism of [3, 3, 1]) {
      const writers = await run(storage, parallelism);
      expect(writers).toHaveLength(parallelism);
      for (const { restored } of writers) expect([...restored].sort()).toEqual([...shops].sort());
      expect(writers.flatMap(({ owned }) => owned).sort()).toEqual([...shops].sort());
    }
  });
});

describe('a sink with writeWatermark', () => {
  it('is told how far event time has come, up to the end', async () => {
    const writers = await run(new MemoryCheckpointStorage(), 2);
    for (const { watermarks } of writers) {
      expect(watermarks).toEqual([...watermarks].sort((a, b) => a - b));
      expect(watermarks.at(-1)).toBe(MAX_WATERMARK);
    }
  });
});
