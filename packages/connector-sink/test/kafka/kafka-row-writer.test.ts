import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LagGate } from '../../src/kafka/lag-gate.js';
import { partitionsOf } from '../../src/kafka/kafka-mode.js';
import { KafkaRowWriter, type JobProgress } from '../../src/kafka/kafka-row-writer.js';
import type { DruidSink } from '../../src/index.js';
import { InvalidRecords } from '../../src/spool/invalid-records.js';
import { SpoolTargets } from '../../src/spool/spool-target.js';
import { FIRST_DAY, flights, flightSchema, SinkJob, type Flight } from '../support/sink-harness.js';
import { FakeTransport } from './support/fake-kafka.js';

const anyContext = { timestamp: undefined, currentWatermark: -Infinity };

async function setUp(options: { maxRecordBytes?: number; partitions?: number[]; gate?: LagGate } = {}) {
  const transport = new FakeTransport();
  const inner = await transport.createWriter();
  const progress: JobProgress = { endedSubtasks: new Set(), unconfirmed: 0, begunMs: [] };
  const rejected: string[] = [];
  const writer = new KafkaRowWriter<Flight>({
    targets: new SpoolTargets(flightSchema('flights'), { commitIdColumn: '__commit_id' }),
    partitions: [{ topic: 'flights-topic', partitions: options.partitions ?? [0] }],
    transport: inner,
    commitIdColumn: '__commit_id',
    maxRecordBytes: options.maxRecordBytes ?? 100,
    gate: options.gate ?? new LagGate(10),
    now: () => 42,
    invalidRecords: new InvalidRecords(
      ({ reason }) => rejected.push(reason),
      new SinkJob({} as DruidSink<Flight>).context(),
    ),
    progress,
    subtaskIndex: 1,
  });
  const barrier = async () => {
    await writer.flush(false);
    return writer.prepareCommit(1, false);
  };
  return { transport, inner, writer, barrier, progress, rejected };
}

const rowsOf = (values: readonly Uint8Array[]): Record<string, unknown>[] =>
  values.flatMap((value) =>
    Buffer.from(value)
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );

describe('KafkaRowWriter', () => {
  it('writes every row once, in blocks, with one commit id for all between two barriers (invariant 2)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        async (counts, maxRecordBytes) => {
          const { transport, writer, barrier, progress } = await setUp({ maxRecordBytes });
          const seen = new Set<unknown>();
          let prepared = 0;
          for (const count of counts) {
            for (const flight of flights(count)) writer.write(flight, anyContext);
            const [committable] = await barrier();
            if (count === 0) {
              expect(committable).toBeUndefined();
              continue;
            }
            prepared++;
            const blocks = transport.blocks.get(committable?.transport.transaction) ?? [];
            const rows = rowsOf(blocks.map(({ value }) => value));
            expect(rows.map(({ __time }) => __time)).toEqual(flights(count).map(({ date }) => date));
            expect(new Set(rows.map(({ __commit_id }) => __commit_id))).toEqual(
              new Set([committable?.parts[0]?.commitId]),
            );
            expect(committable?.parts[0]).toMatchObject({
              rows: count,
              bytes: blocks.reduce((sum, { value }) => sum + value.length, 0),
            });
            seen.add(committable?.parts[0]?.commitId);
            for (const { value } of blocks.slice(0, -1))
              expect(value.length).toBeGreaterThanOrEqual(maxRecordBytes);
          }
          expect(seen.size).toBe(prepared);
          expect(progress.unconfirmed).toBe(prepared);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('ends a block with the row that reaches so many bytes, whatever its characters take', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 600 }),
        async (origins, maxRecordBytes) => {
          const { transport, writer, barrier } = await setUp({ maxRecordBytes });
          for (const origin of origins) writer.write({ date: FIRST_DAY, origin, delay: null }, anyContext);
          const [committable] = await barrier();
          const values = (transport.blocks.get(committable?.transport.transaction) ?? []).map(({ value }) =>
            Buffer.from(value),
          );
          for (const value of values) expect(value.lastIndexOf('\n')).toBeLessThan(maxRecordBytes);
          for (const value of values.slice(0, -1))
            expect(value.length).toBeGreaterThanOrEqual(maxRecordBytes);
          expect(rowsOf(values).map(({ origin }) => origin)).toEqual(origins);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('goes round its own partitions, and stamps blocks with the time of day, not of events', async () => {
    const { transport, writer, barrier } = await setUp({ partitions: [1, 4], maxRecordBytes: 1 });
    for (const flight of flights(4)) writer.write(flight, anyContext);
    const [committable] = await barrier();
    const blocks = transport.blocks.get(committable?.transport.transaction) ?? [];
    expect(blocks.map(({ partition }) => partition)).toEqual([1, 4, 1, 4]);
    expect(new Set(blocks.map(({ timestamp }) => timestamp))).toEqual(new Set([42]));
  });

  it('says since when its transaction is open, until it is committed', async () => {
    const { writer, barrier, progress } = await setUp({ maxRecordBytes: 1 });
    expect(progress.begunMs).toEqual([]);
    for (const flight of flights(2)) writer.write(flight, anyContext);
    expect(progress.begunMs).toEqual([42]);
    expect(await barrier()).toMatchObject([{ begunMs: 42 }]);
    expect(progress.begunMs).toEqual([42]);
  });

  it('names the time chunks that hold the rows, since Druid rounds times down', async () => {
    const { writer, barrier } = await setUp();
    writer.write({ date: FIRST_DAY + 5, origin: 'A', delay: 1 }, anyContext);
    writer.write({ date: FIRST_DAY + 86_400_000, origin: 'A', delay: 1 }, anyContext);
    const [committable] = await barrier();
    expect(committable?.parts[0]?.interval).toBe('2001-01-01T00:00:00.000Z/2001-01-03T00:00:00.000Z');
  });

  it('hands invalid records on and writes the others', async () => {
    const { writer, barrier, rejected } = await setUp();
    writer.write({ date: Number.NaN, origin: 'A', delay: 1 }, anyContext);
    writer.write({ date: FIRST_DAY, origin: 'A', delay: 1 }, anyContext);
    const [committable] = await barrier();
    expect(committable?.parts[0]?.rows).toBe(1);
    expect(rejected).toEqual([expect.stringContaining('NaN')]);
  });

  it('waits for the transport and for Druid, until neither is behind', async () => {
    const gate = new LagGate(10);
    const { writer, inner } = await setUp({ gate });
    expect(writer.backPressure()).toBeUndefined();
    gate.report('flights', 11);
    let release: () => void = () => undefined;
    inner.backPressure = () => new Promise((resolve) => (release = resolve));
    let isOver = false;
    const waiting = writer.backPressure()?.then(() => (isOver = true));
    release();
    await Promise.resolve();
    expect(isOver).toBe(false);
    gate.report('flights', 10);
    await waiting;
    expect(isOver).toBe(true);
  });

  it('tells the committer that its input has ended, with its last rows', async () => {
    const { writer, progress } = await setUp();
    await writer.flush(false);
    await writer.prepareCommit(1, false);
    await writer.flush(true);
    expect([...progress.endedSubtasks]).toEqual([]);
    await writer.prepareCommit(2, false);
    expect([...progress.endedSubtasks]).toEqual([1]);
  });
});

describe('partitionsOf', () => {
  it('gives every partition to one writer, and one at least to each (invariant 1)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(30), (parallelism, more) => {
        const count = parallelism + more;
        const all = Array.from({ length: parallelism }, (_, subtaskIndex) =>
          partitionsOf({ subtaskIndex, parallelism }, count),
        );
        expect(all.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n));
        expect(all.every((own) => own.length > 0)).toBe(true);
      }),
    );
  });
});

describe('LagGate', () => {
  it('holds writers back only for a lag that is known (invariant 1)', async () => {
    const gate = new LagGate(10);
    expect(gate.backPressure()).toBeUndefined();
    gate.report('flights', 10);
    expect(gate.backPressure()).toBeUndefined();
    gate.report('flights', 11);
    const waiting = gate.backPressure();
    gate.report('flights', 12);
    expect(gate.backPressure()).toBe(waiting);
    gate.report('flights', undefined);
    await waiting;
    expect(gate.backPressure()).toBeUndefined();
    expect(gate.lag).toBeUndefined();
  });

  it('holds nobody back when all that is committed is read, whatever the lag (invariant 2)', async () => {
    const gate = new LagGate(10);
    gate.report('flights', 11);
    const waiting = gate.backPressure();
    gate.report('flights', 11, true);
    await waiting;
    expect(gate.backPressure()).toBeUndefined();
    expect(gate.lag).toBe(11);
  });
});
