import type { TaskStatus } from '@millrace/druid-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DruidSink } from '../../src/index.js';
import { druidSchema, type KafkaModeOptions, type RejectedKafkaRow } from '../../src/index.js';
import type { KafkaRowsCommittable } from '../../src/kafka/kafka-committable.js';
import { KafkaMode } from '../../src/kafka/kafka-mode.js';
import { supervisorSpec } from '../../src/kafka/supervisor-spec.js';
import { flights, flightSchema, recordingLogger, SinkJob, type Flight } from '../support/sink-harness.js';
import { FakeDruid, FakeTransport } from './support/fake-kafka.js';

const anyContext = { timestamp: undefined, currentWatermark: -Infinity };

function contextOf(sink: KafkaMode<Flight>, subtaskIndex = 0) {
  return new SinkJob(sink as unknown as DruidSink<Flight>).context(subtaskIndex);
}

function setUp(options: Partial<KafkaModeOptions<Flight>> = {}, transport = new FakeTransport()) {
  const druid = new FakeDruid();
  const sink = new KafkaMode<Flight>({
    mode: 'kafka',
    druid: druid.client,
    schema: flightSchema('flights'),
    transport,
    queryableTimeoutMs: 5_000,
    ...options,
  });
  const logger = recordingLogger();
  const job = new SinkJob(sink as unknown as DruidSink<Flight>, { logger });
  const committer = async (pending: Awaited<ReturnType<typeof checkpoint>> = []) => {
    const made = await sink.createCommitter(job.context());
    onTestFinished(() => made.close());
    await made.recover(pending, []);
    return made;
  };
  /** One checkpoint of all three writers. */
  const checkpoint = async (endOfInput = false) => {
    const requests: { checkpointId: number; subtaskIndex: number; committable: KafkaRowsCommittable }[] = [];
    for (const subtaskIndex of [0, 1, 2]) {
      const writer = await sink.createWriter(job.context(subtaskIndex));
      for (const flight of flights(2)) writer.write(flight, anyContext);
      await writer.flush(endOfInput);
      for (const committable of await writer.prepareCommit(1, false))
        requests.push({ checkpointId: 1, subtaskIndex, committable });
    }
    return JSON.parse(JSON.stringify(requests)) as typeof requests; // a checkpoint stores them as data
  };
  const show = (requests: Awaited<ReturnType<typeof checkpoint>>) => {
    for (const { parts } of requests.map(({ committable }) => committable))
      for (const { commitId, rows } of parts) druid.counts.set(commitId ?? '', rows);
  };
  return { druid, transport, sink, committer, checkpoint, show, logger };
}

describe('DruidSink in mode kafka', () => {
  it('makes a supervisor that reads the topic from its beginning, and whole transactions only', async () => {
    const { druid, committer } = setUp();
    await committer();
    expect(druid.submitted).toMatchObject([
      {
        type: 'kafka',
        suspended: false,
        spec: {
          ioConfig: {
            topic: 'flights-topic',
            useEarliestOffset: true,
            consumerProperties: { 'bootstrap.servers': 'kafka:9092', 'isolation.level': 'read_committed' },
            inputFormat: { type: 'json', assumeNewlineDelimited: true },
          },
          dataSchema: { dataSource: 'flights' },
        },
      },
    ]);
  });

  it('does not take over a supervisor that reads something else', async () => {
    const { druid, committer } = setUp();
    druid.specs.set('flights', { type: 'kafka', spec: { ioConfig: { topic: 'other' } } });
    await expect(committer()).rejects.toThrow(
      "'flights' has a supervisor already, of type 'kafka' that reads 'other'",
    );
    expect(druid.submitted).toEqual([]);
  });

  it.each([
    ['other', 1],
    ['flights-topic', 0],
  ])('warns where a terminated supervisor has read another topic: %s', async (topic, warnings) => {
    const { druid, committer, logger } = setUp();
    druid.history = [
      { version: '2001-01-03', spec: { type: 'noop' } },
      { version: '2001-01-02', spec: { type: 'kafka', spec: { ioConfig: { topic } } } },
      { version: '2001-01-01', spec: { type: 'kafka', spec: { ioConfig: { topic: 'older' } } } },
    ];
    await committer();
    expect(logger.messages.filter((each) => each.includes('has read another stream'))).toHaveLength(warnings);
    expect(druid.submitted).toHaveLength(1);
  });

  it('wants a partition for each writer', async () => {
    const { committer } = setUp({}, new FakeTransport(100, 2));
    await expect(committer()).rejects.toThrow('has 2 partitions, but 3 writers need one each');
  });

  it('commits the transactions before it waits for Druid, and again when it is asked again (invariants 1 and 2)', async () => {
    const done: number[] = [];
    const { druid, transport, committer, checkpoint, show } = setUp({
      onCommit: ({ rows }) => done.push(rows),
    });
    const first = await committer();
    const requests = await checkpoint();
    druid.status = undefined;
    await expect(first.commit(requests)).rejects.toMatchObject({ code: 'DRUID_SINK_TIMEOUT' });
    expect(transport.committed).toEqual(['t1', 't2', 't3']);
    expect(done).toEqual([]);
    show(requests);
    const second = await committer(requests);
    await second.commit(requests);
    expect(new Set(transport.committed)).toEqual(new Set(['t1', 't2', 't3']));
    expect(done).toEqual([2, 2, 2]);
  });

  it('commits all that a restored checkpoint names before it asks Druid for anything (invariant 1)', async () => {
    const { druid, transport, committer, checkpoint } = setUp();
    await committer();
    const requests = [...(await checkpoint()), ...(await checkpoint())];
    druid.failure = new Error('away');
    await expect(committer(requests)).rejects.toThrow('away');
    expect(transport.committed).toEqual(['t1', 't2', 't3', 't4', 't5', 't6']);
  });

  it("asks nothing of Druid for a commit with waitUntil: 'submitted'", async () => {
    const { druid, committer, checkpoint } = setUp({ waitUntil: 'submitted' });
    const made = await committer();
    const requests = await checkpoint();
    druid.calls.length = 0;
    druid.failure = new Error('away');
    await made.commit(requests);
    expect(druid.calls).not.toContain('count');
  });

  it('takes the supervisor down when the input has ended and all is committed, not before (invariant 3)', async () => {
    const { druid, committer, checkpoint, show } = setUp({ supervisor: { atEnd: 'suspend' } });
    const running = await committer();
    show(await checkpoint());
    await running.close();
    const uncommitted = await committer();
    const requests = await checkpoint(true);
    await uncommitted.close();
    expect(druid.calls).not.toContain('suspend');
    const last = await committer(requests);
    show(requests);
    await last.commit(requests);
    await checkpoint(true).then((more) => {
      show(more);
      return last.commit(more);
    });
    await last.close();
    expect(druid.calls).toContain('suspend');
  });

  it('leaves the supervisor up while the rows of ended writers are not prepared yet (invariant 3)', async () => {
    const { druid, sink, committer, checkpoint, show } = setUp({ supervisor: { atEnd: 'suspend' } });
    const made = await committer();
    const before = await checkpoint();
    const writers = await Promise.all(
      [0, 1, 2].map((subtask) => sink.createWriter(contextOf(sink, subtask))),
    );
    for (const writer of writers) {
      writer.write(flights(1)[0]!, anyContext);
      await writer.flush(true);
    }
    show(before);
    await made.commit(before); // ends between the end of input and the barrier behind it
    expect(druid.calls).not.toContain('suspend');
    const prepared = await Promise.all(writers.map((writer) => writer.prepareCommit(2, false)));
    const last = prepared.flatMap((committables, subtaskIndex) =>
      committables.map((committable) => ({ checkpointId: 2, subtaskIndex, committable })),
    );
    show(last);
    await made.commit(last);
    expect(druid.calls).toContain('suspend');
  });

  it('takes the supervisor down when it knows its tasks: others would read on', async () => {
    const { druid, committer, checkpoint, show } = setUp({ supervisor: { atEnd: 'terminate' } });
    const made = await committer();
    const requests = await checkpoint(true);
    show(requests);
    let looks = 0;
    druid.client.tasks.list = () => {
      expect(druid.calls).not.toContain('terminate');
      if (++looks === 3) druid.status = { ...druid.status, activeTasks: [{ id: 'task-1' }] };
      return Promise.resolve([{ id: 'task-1' } as TaskStatus]);
    };
    await made.commit(requests);
    expect(looks).toBe(3);
    expect(druid.calls).toContain('terminate');
  });

  it('fails for rows that Druid has rejected, or hands them on', async () => {
    const handedOn: RejectedKafkaRow[] = [];
    for (const onRejectedRow of ['fail', (row: RejectedKafkaRow) => handedOn.push(row)] as const) {
      const { druid, committer, checkpoint, show } = setUp({ onRejectedRow });
      const made = await committer();
      const requests = await checkpoint();
      show(requests);
      const commitId = requests[0]?.committable.parts[0]?.commitId ?? '';
      druid.counts.set(commitId, 1);
      druid.parseErrors = [{ input: `{"__commit_id":"${commitId}"}`, details: ['bad'] }];
      const outcome = made.commit(requests);
      if (onRejectedRow === 'fail')
        await expect(outcome).rejects.toMatchObject({
          code: 'DRUID_SINK_RECORD',
          details: { rows: 1, reason: 'bad' },
        });
      else await outcome;
    }
    expect(handedOn).toMatchObject([{ dataSource: 'flights', reason: 'bad' }]);
  });

  it('is closed while Druid leaves a question about its supervisor open', async () => {
    const { druid, committer } = setUp();
    druid.isMute = true;
    const made = await committer();
    expect(druid.calls).toContain('status');
    await made.close();
  });

  it('says when the supervisor does not read', async () => {
    const { druid, committer, logger } = setUp({ supervisorPollIntervalMs: 1_000 });
    druid.status = { detailedState: 'SUSPENDED', healthy: true, suspended: true, aggregateLag: 200_000 };
    await committer();
    await expect
      .poll(() => logger.messages)
      .toContain('The supervisor does not read; rows wait in the topic');
  });

  it('lets writers wait while the supervisor is too far behind', async () => {
    const { druid, committer, checkpoint, sink } = setUp({
      maxLagRecords: 10,
      supervisorPollIntervalMs: 1_000,
      waitUntil: 'submitted',
    });
    druid.status = { ...druid.status, aggregateLag: 11 };
    const made = await committer();
    await made.commit(await checkpoint());
    const writer = await sink.createWriter(contextOf(sink));
    await expect.poll(() => writer.backPressure() !== undefined).toBe(true);
    druid.status = { ...druid.status, aggregateLag: 3 };
    await writer.backPressure();
    expect(writer.backPressure()).toBeUndefined();
  });

  it('does not wait for offsets that are no rows: those of transactions that an earlier run has left', async () => {
    const { druid, committer, checkpoint, sink } = setUp({
      maxLagRecords: 10,
      supervisorPollIntervalMs: 1_000,
      waitUntil: 'submitted',
    });
    const read = { 0: 10, 1: 10, 2: 10 };
    druid.status = { ...druid.status, aggregateLag: 100_000, activeTasks: [{ currentOffsets: { 0: 9 } }] };
    const made = await committer();
    await made.commit(await checkpoint());
    const writer = await sink.createWriter(contextOf(sink));
    await expect.poll(() => writer.backPressure() !== undefined).toBe(true);
    druid.status = { ...druid.status, activeTasks: [{ currentOffsets: read }] };
    await writer.backPressure();
    expect(writer.backPressure()).toBeUndefined();
  });

  it.each([
    [{ supervisor: { tuningConfig: { resetOffsetAutomatically: true } } }, /skip rows without a word/],
    [{ transport: new FakeTransport(Number.NaN) }, /'transport.maxRecordBytes' .* is NaN/],
    [{ waitUntil: 'queryable', commitIdColumn: false }, /'commitIdColumn'.*cannot be counted/],
    [{ waitUntil: 'soon' }, /'waitUntil' .* is 'soon': use/],
    [{ supervisor: { atEnd: 'terminate' }, waitUntil: 'submitted' }, /'supervisor.atEnd'/],
    [{ supervisor: { ioConfig: { lateMessageRejectionPeriod: 'PT1H' } } }, /drop rows without a word/],
    [{ supervisor: { taskCount: 0 } }, /'supervisor.taskCount' .* is 0/],
    [{ queryableTimeoutMs: 800_000 }, /'queryableTimeoutMs' .* is 800000: .* 900000 ms/],
    [{ maxLagRecords: -1 }, /'maxLagRecords'/],
    [{ commitIdColumn: 'origin' }, /'commitIdColumn'/],
    [{ commitIdColumn: 'reason', deadLetters: { dataSource: 'dead' } }, /'commitIdColumn' .* is 'reason'/],
  ])('refuses %j', (options, message) => {
    expect(() => setUp(options as Partial<KafkaModeOptions<Flight>>)).toThrow(message);
  });

  it('refuses states of another mode, and commits nothing', async () => {
    const { sink, transport, checkpoint, committer } = setUp();
    await committer();
    const [request] = await checkpoint();
    const file = { version: 1, file: 'sink/job/s0-id.ndjson', sha256: 'ab' };
    const recovered = async (committable: unknown, states: unknown[]) => {
      const made = await sink.createCommitter(contextOf(sink));
      onTestFinished(() => made.close());
      const pending = [request!, { ...request!, committable: committable as KafkaRowsCommittable }];
      await made.recover(pending, states as never[]);
    };
    await expect(recovered(file, [])).rejects.toThrow('in another mode');
    await expect(recovered(request!.committable, [file])).rejects.toThrow('in another mode');
    expect(transport.committed).toEqual([]);
  });

  it('cannot count merged rows without a count metric', () => {
    const schema = druidSchema<Flight>()({
      dataSource: 'merged',
      timestamp: 'date',
      dimensions: { origin: 'string' },
      rollup: true,
      segmentGranularity: 'day',
    });
    expect(() => setUp({ schema })).toThrow("merged rows cannot be counted without a 'count' metric");
  });

  it('leaves what the guarantee rests on to nobody', () => {
    const tuningConfig = { maxParseExceptions: 0, type: 'other', maxRowsPerSegment: 5 };
    const ioConfig = { topic: 'other', useEarliestOffset: false, pollTimeout: 50 };
    const spec = supervisorSpec({ dataSource: 'flights', metricsSpec: [] } as never, new FakeTransport(), {
      taskCount: 1,
      replicas: 1,
      taskDuration: 'PT1H',
      taskContext: {},
      atEnd: 'keep',
      tuningConfig,
      ioConfig,
    });
    expect(spec.spec.ioConfig).toMatchObject({
      topic: 'flights-topic',
      useEarliestOffset: true,
      pollTimeout: 50,
    });
    expect(spec.spec.tuningConfig).toMatchObject({
      type: 'kafka',
      maxParseExceptions: 2_147_483_647,
      maxRowsPerSegment: 5,
    });
  });
});
