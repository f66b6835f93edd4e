/**
 * In the middle of a job that copies a topic exactly once the broker is killed and started again, and connections are cut:
 * then answers are lost to requests that were carried out.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerProxy } from '../../../tooling/broker-proxy.js';
import { KafkaSink, type KafkaCommittable } from '../src/index.js';
import { consumeCommitted, expectCopied } from './support/java-consumer.js';
import { contextOf, createTopic, sendNumbers } from './support/kafka.js';
import { runUntilKilled } from './support/killed-process.js';
import { transpilePackages, type TranspiledPackages } from './support/transpiled-packages.js';

const RECORDS = 4_000;
const KEYS = 11;
/** That are to be committed when the broker crashes. */
const TRANSACTIONS = 30;

const program = join(import.meta.dirname, 'support/copying-job.mjs');

describe.skipIf(!requireRealServers())('a broker behind trouble', () => {
  let proxy: BrokerProxy;
  let kafka: KafkaBroker;
  let built: TranspiledPackages;
  let directory: string;

  const startBroker = async () => {
    kafka = await KafkaBroker.start({
      dataDir: join(directory, 'kafka'),
      properties: {
        'advertised.listeners': `PLAINTEXT://${proxy.address}`,
        // A broker that has crashed may come back when the session of the crashed one is over.
        'broker.session.timeout.ms': '1500',
        'broker.heartbeat.interval.ms': '300',
      },
    });
    proxy.targetPort = kafka.port;
  };
  const restartBroker = async () => {
    proxy.targetPort = undefined;
    await kafka.kill();
    await kafka.stop();
    await startBroker();
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kafka-restart-'));
    proxy = await BrokerProxy.open();
    built = await transpilePackages();
    await startBroker();
  });
  afterAll(async () => {
    await kafka?.stop();
    await proxy?.close();
    await built?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  const optionsOf = (from: string, to: string) => ({
    coreUrl: built.coreUrl,
    kafkaUrl: built.kafkaUrl,
    bootstrapServers: proxy.address,
    from,
    to,
    checkpoints: join(directory, `checkpoints-${to}`),
    parallelism: 2,
  });

  it('is heard although connections are cut all the time', { timeout: 600_000 }, async () => {
    const bootstrapServers = proxy.address;
    await createTopic(bootstrapServers, 'cut-from', 4);
    await createTopic(bootstrapServers, 'cut-to', 3);
    await sendNumbers(bootstrapServers, 'cut-from', RECORDS, KEYS);
    let cuts = 0;
    let timer: NodeJS.Timeout | undefined;
    const cutAgain = () => {
      timer = setTimeout(
        () => {
          proxy.cut();
          if (++cuts < 40) cutAgain();
        },
        10 + Math.random() * 150,
      );
    };
    await runUntilKilled(program, optionsOf('cut-from', 'cut-to'), undefined, (line) => {
      if (line === 'started') cutAgain();
    });
    clearTimeout(timer);
    expect(cuts).toBeGreaterThan(5);
    expectCopied(await consumeCommitted(kafka, 'cut-to', bootstrapServers, 'all'), RECORDS, KEYS);
  });

  it('is waited for: the job does not fail, and every record comes once', { timeout: 600_000 }, async () => {
    const bootstrapServers = proxy.address;
    await createTopic(bootstrapServers, 'from', 4);
    await createTopic(bootstrapServers, 'to', 3);
    await sendNumbers(bootstrapServers, 'from', RECORDS, KEYS);
    const options = optionsOf('from', 'to');
    let commits = 0;
    let kills = 0;
    let restarting: Promise<void> = Promise.resolve();
    const restart = () => {
      kills++;
      return restartBroker();
    };
    const hasFinished = await runUntilKilled(program, options, undefined, (line) => {
      // At a barrier, in a commit, and in between.
      if (line === 'committed') commits++;
      const isDue = commits >= ([1, 2, 4][kills] ?? Infinity);
      const aim = ['committing', 'preparing', 'manifest'][kills];
      if (isDue && line === aim) restarting = restarting.then(restart);
    });
    await restarting;
    expect([hasFinished, kills]).toEqual([true, 3]);
    expectCopied(await consumeCommitted(kafka, 'to', bootstrapServers, 'all'), RECORDS, KEYS);
  });

  it('shows what was committed while it crashed', { timeout: 300_000 }, async () => {
    const bootstrapServers = proxy.address;
    await createTopic(bootstrapServers, 'crashed', 2);
    const sink = new KafkaSink<number>({
      bootstrapServers,
      deliveryGuarantee: 'exactly-once',
      transactionalIdPrefix: 'crashed',
      serializer: (n) => ({ topic: 'crashed', key: 'k', value: String(n), partition: n % 2 }),
    });
    const count = 3 * TRANSACTIONS * 2;
    for (let next = 0; next < count;) {
      const writer = await sink.createWriter(contextOf());
      const prepared: KafkaCommittable[] = [];
      for (let transaction = 0; transaction < TRANSACTIONS; transaction++) {
        for (let record = 0; record < 2; record++) writer.write(next++, { timestamp: 0 } as never);
        await writer.flush(false);
        prepared.push(...(await writer.prepareCommit!(next, false)));
      }
      const committer = await sink.createCommitter!(contextOf());
      const committing = committer.commit(
        prepared.map((committable, subtaskIndex) => ({ checkpointId: next, subtaskIndex, committable })),
      );
      // Some are decided by then, and have no markers yet.
      const crashed = sleep(Math.random() * 60).then(restartBroker);
      await Promise.all([committing, crashed]);
      await writer.close();
      await committer.close?.();
    }
    const seen = await consumeCommitted(kafka, 'crashed', bootstrapServers, 'all');
    expect(seen.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: count }, (_, n) => n),
    );
  });
});
