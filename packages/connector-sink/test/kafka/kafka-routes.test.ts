/** Mode `kafka` with many datasources, dead letters among them. */
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  druidRoutes,
  type DruidSink,
  type KafkaModeOptions,
  type KafkaRowsCommittable,
} from '../../src/index.js';
import { KafkaMode } from '../../src/kafka/kafka-mode.js';
import { FIRST_DAY, flightSchema, SinkJob, type Flight } from '../support/sink-harness.js';
import { FakeDruid, FakeTransport } from './support/fake-kafka.js';

const anyContext = { timestamp: undefined, currentWatermark: -Infinity };
const flight = (origin: string, date = FIRST_DAY): Flight => ({ date, origin, delay: 1 });
const bad = flight('SFO', Number.NaN);

const byOrigin = druidRoutes<Flight>()({
  route: ({ origin }) => origin as 'SFO' | 'JFK',
  schemas: { SFO: flightSchema('west'), JFK: flightSchema('east') },
});

function setUp(options: Partial<KafkaModeOptions<Flight>> = {}, transport = new FakeTransport()) {
  const druid = new FakeDruid();
  const sink = new KafkaMode<Flight>({
    mode: 'kafka',
    druid: druid.client,
    schema: byOrigin,
    transport,
    queryableTimeoutMs: 5_000,
    supervisorPollIntervalMs: 1_000,
    ...options,
  });
  const job = new SinkJob(sink as unknown as DruidSink<Flight>);
  const committer = async (pending: Awaited<ReturnType<typeof checkpoint>> = []) => {
    const made = await sink.createCommitter(job.context());
    onTestFinished(() => made.close());
    await made.recover(pending, []);
    return made;
  };
  /** One checkpoint of one writer. */
  const checkpoint = async (records: readonly Flight[], { subtaskIndex = 0, endOfInput = false } = {}) => {
    const writer = await sink.createWriter(job.context(subtaskIndex));
    for (const record of records) writer.write(record, anyContext);
    await writer.flush(endOfInput);
    const prepared = await writer.prepareCommit(1, false);
    const requests = prepared.map((committable) => ({ checkpointId: 1, subtaskIndex, committable }));
    return JSON.parse(JSON.stringify(requests)) as typeof requests; // a checkpoint stores them as data
  };
  /** Druid has all rows of a checkpoint but so many of a datasource. */
  const show = (
    requests: readonly { readonly committable: KafkaRowsCommittable }[],
    without = '',
    missing = 0,
  ) => {
    for (const { dataSource, commitId, rows } of requests.flatMap(({ committable }) => committable.parts))
      druid.counts.set(`${dataSource} ${commitId}`, rows - (dataSource === without ? missing : 0));
  };
  /** The rows that a transaction has for each topic. */
  const written = (transaction: unknown) => {
    const rows: Record<string, Record<string, unknown>[]> = {};
    for (const { topic, value } of transport.blocks.get(transaction) ?? [])
      for (const line of Buffer.from(value).toString().split('\n'))
        (rows[topic] ??= []).push(JSON.parse(line) as Record<string, unknown>);
    return rows;
  };
  return { druid, transport, sink, job, committer, checkpoint, show, written };
}

describe('DruidSink in mode kafka, with many datasources', () => {
  it('writes each record to the topic of its datasource, all of a checkpoint in one transaction', async () => {
    const { committer, checkpoint, written, druid } = setUp();
    await committer();
    const requests = await checkpoint([flight('SFO'), flight('JFK'), flight('SFO', FIRST_DAY + 86_400_000)]);
    expect(requests).toHaveLength(1);
    const { transport, parts } = requests[0]!.committable;
    expect(parts).toMatchObject([
      { dataSource: 'west', rows: 2, interval: '2001-01-01T00:00:00.000Z/2001-01-03T00:00:00.000Z' },
      { dataSource: 'east', rows: 1, interval: '2001-01-01T00:00:00.000Z/2001-01-02T00:00:00.000Z' },
    ]);
    const rows = written(transport.transaction);
    expect(Object.keys(rows).sort()).toEqual(['east-topic', 'west-topic']);
    expect(rows['west-topic']?.map(({ origin }) => origin)).toEqual(['SFO', 'SFO']);
    expect(rows['east-topic']?.map(({ origin }) => origin)).toEqual(['JFK']);
    expect(druid.submitted.map(({ spec }) => spec)).toMatchObject([
      { dataSchema: { dataSource: 'west' }, ioConfig: { topic: 'west-topic' } },
      { dataSchema: { dataSource: 'east' }, ioConfig: { topic: 'east-topic' } },
    ]);
  });

  it('waits for the rows of every datasource, and tells of each', async () => {
    const done: unknown[] = [];
    const { committer, checkpoint, show } = setUp({
      onCommit: ({ dataSource, rows }) => done.push([dataSource, rows]),
    });
    const made = await committer();
    const requests = await checkpoint([flight('SFO'), flight('SFO'), flight('JFK')]);
    show(requests, 'east', 1);
    await expect(made.commit(requests)).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
      details: { supervisor: 'east', rows: 1 },
    });
    expect(done).toEqual([]);
    show(requests);
    await made.commit(requests);
    expect(done).toEqual([
      ['west', 2],
      ['east', 1],
    ]);
  });

  it('commits and counts what a checkpoint has for a datasource that is routed to no more', async () => {
    const before = setUp();
    await before.committer();
    const requests = await before.checkpoint([flight('SFO'), flight('JFK')]);
    const after = setUp({ schema: flightSchema('west') });
    after.show(requests);
    await (await after.committer(requests)).commit(requests);
    expect(after.druid.submitted).toHaveLength(1);
    expect(after.transport.committed).toContain('t1');
  });

  it('holds writers back while one of the supervisors is too far behind (invariant 3)', async () => {
    const { druid, committer, checkpoint, job, sink } = setUp({ maxLagRecords: 10, waitUntil: 'submitted' });
    const lags: Record<string, number> = { west: 3, east: 11 };
    const { supervisors } = druid.client;
    supervisors.status = (id) => Promise.resolve({ ...druid.status, aggregateLag: lags[id] } as never);
    const made = await committer();
    await made.commit(await checkpoint([flight('JFK')]));
    const writer = await sink.createWriter(job.context());
    await expect.poll(() => writer.backPressure() !== undefined, { timeout: 10_000 }).toBe(true);
    lags['east'] = 10;
    await writer.backPressure();
    expect(writer.backPressure()).toBeUndefined();
  });

  it('takes every supervisor down at the end', async () => {
    const { druid, committer, checkpoint, show } = setUp({ supervisor: { atEnd: 'terminate' } });
    const made = await committer();
    const requests = [];
    for (const subtaskIndex of [0, 1, 2])
      requests.push(...(await checkpoint([flight('SFO')], { subtaskIndex, endOfInput: true })));
    show(requests);
    await made.commit(requests);
    expect(druid.calls.filter((call) => call === 'terminate')).toHaveLength(2);
  });

  it('wants a topic for each datasource', () => {
    const transport = Object.assign(new FakeTransport(), { topicOf: () => 'all' });
    expect(() => setUp({}, transport)).toThrow("Two datasources share the topic 'all'");
  });
});

describe('dead letters in mode kafka', () => {
  const deadLetters = { dataSource: 'rejected' };

  it('are rows of another topic in the same transaction', async () => {
    const { committer, checkpoint, written, druid } = setUp({ deadLetters, supervisor: { taskCount: 2 } });
    await committer();
    const [request] = await checkpoint([flight('SFO'), bad, flight('LAX')]);
    const { transport, parts } = request!.committable;
    expect(parts).toMatchObject([
      { dataSource: 'west', rows: 1 },
      { dataSource: 'rejected', rows: 2 },
    ]);
    expect(written(transport.transaction)['rejected-topic']).toMatchObject([
      { dataSource: 'west', column: 'date', __commit_id: parts[0]?.commitId },
      { dataSource: 'LAX', column: '', reason: "its route is 'LAX', and there is no such schema" },
    ]);
    expect(druid.submitted.map(({ spec }) => spec)).toMatchObject([
      { ioConfig: { taskCount: 2 } },
      { ioConfig: { taskCount: 2 } },
      { dataSchema: { dataSource: 'rejected' }, ioConfig: { topic: 'rejected-topic', taskCount: 1 } },
    ]);
  });

  it('are made of rows that Druid has rejected, once however often the commit is repeated', async () => {
    const { druid, transport, committer, checkpoint, show } = setUp({ deadLetters });
    const made = await committer();
    const requests = await checkpoint([flight('SFO'), flight('SFO'), flight('JFK')]);
    show(requests, 'west', 1);
    const commitId = requests[0]?.committable.parts[0]?.commitId ?? '';
    const input = `{"__time":"never","origin":"SFO","__commit_id":"${commitId}"}`;
    druid.parseErrors = [
      { dataSource: 'west', input, details: [`Timestamp[never] is unparseable! Event: ${input}`] },
    ];
    await made.commit(requests);
    await (await committer(requests)).commit(requests);
    expect([...transport.writtenOnce.keys()]).toEqual([`rejected-${commitId}-west`]);
    const [block] = [...transport.writtenOnce.values()].flat();
    expect(block?.topic).toBe('rejected-topic');
    expect(JSON.parse(Buffer.from(block!.value).toString())).toMatchObject({
      dataSource: 'west',
      column: '',
      reason: 'Timestamp[never] is unparseable! Event: …',
      record: JSON.stringify(JSON.parse(input)),
      __commit_id: `${commitId}-west`,
    });
  });

  it('that Druid rejects themselves make the job fail', async () => {
    const { druid, transport, committer, checkpoint, show } = setUp({ deadLetters });
    const made = await committer();
    const requests = await checkpoint([bad]);
    show(requests, 'rejected', 1);
    const commitId = requests[0]?.committable.parts[0]?.commitId ?? '';
    druid.parseErrors = [
      { dataSource: 'rejected', input: `{"__commit_id":"${commitId}"}`, details: ['bad'] },
    ];
    await expect(made.commit(requests)).rejects.toMatchObject({
      code: 'DRUID_SINK_RECORD',
      details: { dataSource: 'rejected' },
    });
    expect(transport.writtenOnce.size).toBe(0);
  });

  it('are not where a function takes what Druid has rejected', async () => {
    const told: string[] = [];
    const { druid, transport, committer, checkpoint, show } = setUp({
      deadLetters,
      onRejectedRow: ({ dataSource }) => told.push(dataSource),
    });
    const made = await committer();
    const requests = await checkpoint([flight('JFK')]);
    show(requests, 'east', 1);
    const commitId = requests[0]?.committable.parts[0]?.commitId ?? '';
    druid.parseErrors = [{ input: `{"__commit_id":"${commitId}"}`, details: ['bad'] }];
    await made.commit(requests);
    expect(told).toEqual(['east']);
    expect(transport.writtenOnce.size).toBe(0);
  });

  it.each([
    [{ deadLetters, onInvalidRecord: () => undefined }, /'onInvalidRecord' .* given beside deadLetters/],
    [{ deadLetters: { dataSource: 'west' } }, /'west' is named twice/],
  ])('refuses %j', (options, message) => {
    expect(() => setUp(options)).toThrow(message);
  });
});
