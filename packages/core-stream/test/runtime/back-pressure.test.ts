import { describe, expect, it } from 'vitest';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, quiet, until } from '../support/conditions.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';
import { environment, none, numbers, scripted, refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

describe('back-pressure', () => {
  it('of a slow sink bounds what the source emits', async () => {
    const { clock, env } = environment({ parallelism: 1 });
    let gate = createGate();
    let asked = 0;
    const sink = new CollectingSink<number>({
      backPressure: () => {
        asked++;
        return gate.opened;
      },
    });
    const source = new ScriptedSource<number>([scripted(50_000)]);
    env
      .fromSource(source, none, 'In')
      .setParallelism(2)
      .map((n) => n)
      .setParallelism(3)
      .sinkTo(sink);
    let maxInFlight = 0;
    const job = env.executeAsync('slow sink');
    await quiet(200);
    maxInFlight = Math.max(maxInFlight, source.emitted - sink.values.length);
    expect(asked).toBe(1);
    expect(sink.values.length).toBeLessThanOrEqual(256);
    // Two exchanges of 4096 records per channel, and batches under way.
    expect(maxInFlight).toBeLessThanOrEqual(2 * 3 * 4096 + 3 * 4096 + 5 * 256);
    const seen = source.emitted;
    expect(seen).toBeLessThan(50_000);
    await quiet(50);
    expect(source.emitted).toBe(seen);
    gate.open();
    gate = createGate();
    gate.open();
    await drive(job, clock);
    expect(sink.values).toHaveLength(50_000);
  });

  it('stops the subtask at once: one batch at most between two waits', async () => {
    const { env } = environment();
    let written = 0;
    let maxBetween = 0;
    const sink = new CollectingSink<number>({
      write: () => void (maxBetween = Math.max(maxBetween, ++written)),
      backPressure: () => {
        if (written === 0) return undefined;
        written = 0;
        return Promise.resolve();
      },
    });
    env.fromCollection(numbers(5000)).sinkTo(sink);
    await env.execute('batches');
    expect(maxBetween).toBeLessThanOrEqual(256);
  });

  it('is asked for what timers emit, too', async () => {
    const { clock, env } = environment();
    let asked = 0;
    const sink = new CollectingSink<number>({ backPressure: () => void asked++ });
    const source = new ScriptedSource<number>([[{ value: 1 }, PAUSE]]);
    env
      .fromSource(source, none, 'In')
      .keyBy((n) => n)
      .process<number>(() => ({
        processElement: (_n, { timers }) => timers.registerProcessingTimeTimer(10),
        onTimer: (_timestamp, _context, out) => out.collect(2),
      }))
      .sinkTo(sink);
    const job = env.executeAsync('timers');
    await until(() => source.emitted === 1);
    await quiet();
    asked = 0;
    clock.advance(10);
    await until(() => sink.values.length === 1);
    expect(asked).toBeGreaterThan(0);
    source.resume();
    await drive(job, clock);
  });

  it('task invariant 1: lets nothing be written while a sink prepares a checkpoint', async () => {
    const { clock, env } = environment();
    const gate = createGate();
    let isPreparing = false;
    let writtenMeanwhile = 0;
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([[...scripted(5), PAUSE, ...scripted(5)]]);
    const sink = new CollectingSink<number>({
      write: () => void (writtenMeanwhile += isPreparing ? 1 : 0),
      prepareCommit: async () => {
        isPreparing = true;
        await gate.opened;
        isPreparing = false;
        return [];
      },
    });
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromSource(source, none, 'In').sinkTo(sink);
    const job = env.executeAsync('slow prepare');
    await until(() => sink.values.length === 5);
    clock.advance(10);
    await until(() => isPreparing);
    source.resume();
    await quiet();
    expect(sink.values).toHaveLength(5);
    expect(storage.lastId).toBeUndefined();
    gate.open();
    await drive(job, clock);
    expect(sink.values).toHaveLength(10);
    expect(writtenMeanwhile).toBe(0);
  });
});
