/** What `read_committed` sees of transactions that are committed, aborted and open, on a real broker. */
import type { CommitRequest } from '@millrace/core-stream';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { KafkaSink, KafkaSource, textDeserializer, type KafkaCommittable } from '../src/index.js';
import { KafkaClient } from '../src/protocol/kafka-client.js';
import { Transactions } from '../src/sink/transactions.js';
import { KafkaCommitter } from '../src/sink/kafka-committer.js';
import { KafkaWriter } from '../src/sink/kafka-writer.js';
import { TransactionalIds } from '../src/sink/transactional-ids.js';
import { contextOf, createTopic, readAll } from './support/kafka.js';

describe.skipIf(!requireRealServers())('isolation', () => {
  let kafka: KafkaBroker;
  beforeAll(
    async () =>
      void (kafka = await KafkaBroker.start({
        properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200' },
      })),
  );
  afterAll(() => kafka?.stop());

  const sinkTo = (topic: string, prefix = topic, transactionTimeoutMs = 60_000) =>
    new KafkaSink<string>({
      bootstrapServers: kafka.bootstrapServers,
      deliveryGuarantee: 'exactly-once',
      transactionalIdPrefix: prefix,
      transactionTimeoutMs,
      serializer: (value) => ({ topic, key: 'k', value }),
    });
  const open = async (sink: KafkaSink<string>) =>
    (await sink.createWriter(contextOf())) as KafkaWriter<string>;
  const write = async (writer: KafkaWriter<string>, ...values: string[]) => {
    for (const value of values) writer.write(value, { timestamp: 1, currentWatermark: 0 });
    await writer.flush();
  };
  const commit = async (sink: KafkaSink<string>, writer: KafkaWriter<string>) => {
    const requests = writer
      .prepareCommit()
      .map((committable) => ({ checkpointId: 1, subtaskIndex: 0, committable }));
    const committer = sink.createCommitter!(contextOf());
    await committer.commit(requests);
    await committer.commit(requests); // saying it twice is fine
    await committer.close?.();
  };
  const read = (topic: string, isolationLevel: 'read_committed' | 'read_uncommitted') =>
    readAll<string>(
      new KafkaSource({
        bootstrapServers: kafka.bootstrapServers,
        topics: topic,
        deserializer: textDeserializer(),
        stoppingOffsets: 'latest',
        isolationLevel,
      }) as never,
    );

  it('leaves nothing that a request still under way could open anew when a writer is closed', async () => {
    await createTopic(kafka.bootstrapServers, 'closed');
    const writer = await open(sinkTo('closed'));
    await write(writer, 'a');
    const [transaction] = writer.prepareCommit();
    const other = await open(sinkTo('closed'));
    await write(other, 'b');
    const client = new KafkaClient({ bootstrapServers: kafka.bootstrapServers }, contextOf());
    const transactions = new Transactions(client);
    const left = (await transactions.listOpen()).find(
      ({ transactionalId }) =>
        transactionalId.startsWith('closed-') && transactionalId !== transaction!.transactionalId,
    )!;
    await other.close();
    await writer.close(); // what is prepared stays as it is
    const late = { ...left, producerEpoch: 0 };
    await expect(transactions.addPartitions(late, [{ topic: 'closed', partition: 0 }])).rejects.toMatchObject(
      { code: 'KAFKA_FENCED' },
    );
    expect((await transactions.commit(transaction!)).errorCode).toBe(0);
    client.close();
    expect(await read('closed', 'read_committed')).toEqual(['a']);
  });

  it('shows what is committed, and neither aborted records nor control records', async () => {
    await createTopic(kafka.bootstrapServers, 'mixed');
    const sink = sinkTo('mixed');
    const [one, two, three] = [await open(sink), await open(sink), await open(sink)];
    await write(one, 'a1');
    await write(two, 'b1');
    await write(three, 'c1');
    await write(two, 'b2');
    await write(one, 'a2');
    await two.close(); // aborts
    await write(one, 'a3');
    await commit(sink, one);
    await write(one, 'a4');
    await commit(sink, one);
    await commit(sink, three);
    expect(await read('mixed', 'read_committed')).toEqual(['a1', 'c1', 'a2', 'a3', 'a4']);
    expect(await read('mixed', 'read_uncommitted')).toEqual(['a1', 'b1', 'c1', 'b2', 'a2', 'a3', 'a4']);
    await one.close();
    await three.close();
  });

  it('ends before the first open transaction; a new run aborts it, and readers go on', async () => {
    await createTopic(kafka.bootstrapServers, 'open');
    const sink = sinkTo('open');
    const [one, two] = [await open(sink), await open(sink)];
    await write(one, 'a1');
    await commit(sink, one);
    await write(two, 'left open');
    await write(one, 'a2');
    await commit(sink, one);
    expect(await read('open', 'read_committed')).toEqual(['a1']);
    const other = sinkTo('open', 'open-1').createCommitter!(contextOf());
    await other.recover!([], []); // another prefix, though it begins alike
    expect(await read('open', 'read_committed')).toEqual(['a1']);
    const next = sink.createCommitter!(contextOf());
    await next.recover!([], []);
    expect(await read('open', 'read_committed')).toEqual(['a1', 'a2']);
    // Its writer has been fenced.
    await expect(write(two, 'too late')).rejects.toMatchObject({ code: 'KAFKA_FENCED' });
    for (const closing of [other, next, one, two]) await closing.close?.();
  });

  it('aborts nothing that the restored checkpoint names', async () => {
    await createTopic(kafka.bootstrapServers, 'named');
    const sink = sinkTo('named');
    const [one, two] = [await open(sink), await open(sink)];
    await write(one, 'prepared');
    await write(two, 'not prepared');
    const pending = one
      .prepareCommit()
      .map((committable) => ({ checkpointId: 7, subtaskIndex: 0, committable }));
    const next = sink.createCommitter!(contextOf());
    await next.recover!(pending, []);
    await next.commit(pending);
    expect(await read('named', 'read_committed')).toEqual(['prepared']);
    for (const closing of [next, one, two]) await closing.close?.();
  });

  it('writes once what has a name, whoever writes it again, and aborts what was left open of it', async () => {
    await createTopic(kafka.bootstrapServers, 'once');
    const client = new KafkaClient({ bootstrapServers: kafka.bootstrapServers }, contextOf());
    const transactions = new Transactions(client);
    const left = await transactions.init('once-b', 60_000);
    await transactions.addPartitions({ transactionalId: 'once-b', ...left }, [
      { topic: 'once', partition: 0 },
    ]);
    await sinkTo('once').writeOnce('a', ['a1', 'a2'], contextOf());
    await sinkTo('once').writeOnce('a', ['a1', 'a2'], contextOf());
    await sinkTo('once').writeOnce('b', ['b1'], contextOf());
    await sinkTo('once').writeOnce('b', ['b1'], contextOf());
    client.close();
    expect(await read('once', 'read_committed')).toEqual(['a1', 'a2', 'b1']);
  });

  it('does not write again what was committed, and is open again only for the markers', async () => {
    await createTopic(kafka.bootstrapServers, 'marked');
    const client = new KafkaClient({ bootstrapServers: kafka.bootstrapServers }, contextOf());
    const transactions = new Transactions(client);
    await sinkTo('marked').writeOnce('a', ['a1'], contextOf());
    const committed = (await transactions.describe('marked-a'))!;
    await transactions.init('marked-a/committed', 60_000);
    await transactions.addPartitions(committed, [{ topic: 'marked', partition: 0 }]); // and dies
    await sinkTo('marked').writeOnce('a', ['a1'], contextOf());
    expect((await transactions.describe('marked-a'))?.state).toBe('CompleteCommit');
    client.close();
    expect(await read('marked', 'read_committed')).toEqual(['a1']);
  });

  it('does not write again where the request to commit came only just before', async () => {
    await createTopic(kafka.bootstrapServers, 'late');
    await sinkTo('late').writeOnce('a', ['a1'], contextOf());
    const client = new KafkaClient({ bootstrapServers: kafka.bootstrapServers }, contextOf());
    const committed = (await new Transactions(client).describe('late-a'))!;
    const describe = vi
      .spyOn(Transactions.prototype, 'describe')
      .mockResolvedValueOnce({ ...committed, state: 'Ongoing' }); // as the broker says until it has written it down
    await sinkTo('late').writeOnce('a', ['a1'], contextOf());
    describe.mockRestore();
    client.close();
    expect(await read('late', 'read_committed')).toEqual(['a1']);
  });

  it('says that rows are lost where the broker has aborted what a checkpoint names', async () => {
    await createTopic(kafka.bootstrapServers, 'lost');
    const sink = sinkTo('lost');
    const one = await open(sink);
    await write(one, 'a1');
    const [committable] = one.prepareCommit();
    const next = sink.createCommitter!(contextOf());
    await next.recover!([], []); // as by a job that does not know of the checkpoint
    await expect(
      next.commit([{ checkpointId: 7, subtaskIndex: 0, committable: committable! }]),
    ).rejects.toMatchObject({ code: 'KAFKA_TRANSACTION_LOST', retryable: false });
    await next.close?.();
    await one.close();
  });

  it('says so, too, where a transaction was open for longer than its time-out', async () => {
    await createTopic(kafka.bootstrapServers, 'timed-out');
    const sink = sinkTo('timed-out', 'timed-out', 3_000);
    const [one, two] = [await open(sink), await open(sink)];
    await write(one, 'a1');
    await write(two, 'b1');
    const [committable] = one.prepareCommit();
    const lasting = sinkTo('timed-out', 'lasting');
    const three = await open(lasting);
    await write(three, 'c1');
    await commit(lasting, three);
    // What is open holds readers back until the broker has aborted it.
    await vi.waitFor(async () => expect(await read('timed-out', 'read_committed')).toEqual(['c1']), {
      timeout: 30_000,
      interval: 200,
    });
    const next = sink.createCommitter!(contextOf());
    const request = { checkpointId: 7, subtaskIndex: 0, committable: committable! };
    await expect(next.commit([request])).rejects.toThrow(
      /checkpoint 7 cannot be committed: it is now CompleteAbort/,
    );
    await expect(write(two, 'too late')).rejects.toMatchObject({ code: 'KAFKA_FENCED' });
    for (const closing of [next, one, two, three]) await closing.close?.();
  });

  it('makes sure of the markers when it repeats a commit that has failed', async () => {
    await createTopic(kafka.bootstrapServers, 'repeated');
    const sink = sinkTo('repeated');
    const writer = await open(sink);
    await write(writer, 'a');
    const [committable] = writer.prepareCommit();
    const requests = [{ checkpointId: 1, subtaskIndex: 0, committable: committable! }];
    const committer = sink.createCommitter!(contextOf());
    const ended = vi.spyOn(Transactions.prototype, 'ended').mockRejectedValueOnce(new Error('no answer'));
    await expect(committer.commit(requests)).rejects.toThrow('no answer');
    ended.mockRestore();
    const client = new KafkaClient({ bootstrapServers: kafka.bootstrapServers }, contextOf());
    await new Transactions(client).ended(committable!.transactionalId);
    client.close();
    const addPartitions = vi.spyOn(Transactions.prototype, 'addPartitions');
    await committer.commit(requests);
    await committer.commit(requests);
    expect(addPartitions).toHaveBeenCalledTimes(1);
    addPartitions.mockRestore();
    await writer.close();
    await committer.close?.();
    expect(await read('repeated', 'read_committed')).toEqual(['a']);
  });

  it('begins anew under ids that are committed; a checkpoint from before that is refused', async () => {
    await createTopic(kafka.bootstrapServers, 'again');
    const settings = {
      connection: { bootstrapServers: kafka.bootstrapServers },
      transactionalIdPrefix: 'again',
      transactionalIds: new TransactionalIds(2),
      transactionTimeoutMs: 60_000,
      sending: {
        compression: 'none',
        maxBatchBytes: 1_000,
        maxRequestBytes: 1_000,
        maxBufferedBytes: 1_000,
        requestTimeoutMs: 30_000,
      },
    } as const;
    const writer = new KafkaWriter<string>(settings, (value) => ({ topic: 'again', value }), contextOf());
    const committer = new KafkaCommitter(settings, contextOf());
    const requests: CommitRequest<KafkaCommittable>[] = [];
    for (let checkpointId = 0; checkpointId < 10; checkpointId++) {
      await write(writer, String(checkpointId));
      const [committable] = writer.prepareCommit();
      requests.push({ checkpointId, subtaskIndex: 0, committable: committable! });
      await committer.commit(requests.slice(-1));
    }
    expect(new Set(requests.map(({ committable }) => committable.transactionalId)).size).toBe(2);
    await committer.commit(requests.slice(-2)); // said again
    await expect(committer.commit(requests.slice(0, 1))).rejects.toThrow(
      /checkpoint 0 cannot be committed: it is now CompleteCommit, and begun anew since/,
    );
    await writer.close();
    await committer.close();
    expect(await read('again', 'read_committed')).toEqual(requests.map((_, n) => String(n)));
  });

  it('demands a time-out that the broker allows', async () => {
    await createTopic(kafka.bootstrapServers, 'too-long');
    const writer = await open(sinkTo('too-long', 'too-long', 3_600_000));
    await expect(write(writer, 'a')).rejects.toThrow(
      /'transactionTimeoutMs' is 3600000, more than the brokers allow/,
    );
    await writer.close();
  });
});
