/**
 * In the middle of a job that copies a topic exactly once the broker is killed and started again, and connections are cut:
 * then answers are lost to requests that were carried out.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consumeCommitted, expectCopied } from './support/java-consumer.js';
import { createTopic, sendNumbers } from './support/kafka.js';
import { runUntilKilled } from './support/killed-process.js';
import { TcpProxy } from './support/tcp-proxy.js';
import { transpilePackages, type TranspiledPackages } from './support/transpiled-packages.js';

const RECORDS = 10_000;
const KEYS = 11;

const program = join(import.meta.dirname, 'support/copying-job.mjs');

describe.skipIf(!requireRealServers())('a broker behind trouble', () => {
  let proxy: TcpProxy;
  let kafka: KafkaBroker;
  let built: TranspiledPackages;
  let directory: string;

  const startBroker = async () => {
    kafka = await KafkaBroker.start({
      dataDir: join(directory, 'kafka'),
      properties: { 'advertised.listeners': `PLAINTEXT://${proxy.address}` },
    });
    proxy.targetPort = kafka.port;
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kafka-restart-'));
    proxy = await TcpProxy.open();
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
    const restart = async () => {
      kills++;
      proxy.targetPort = undefined;
      await kafka.kill();
      await kafka.stop();
      await startBroker();
    };
    await runUntilKilled(program, options, undefined, (line) => {
      // At a barrier, in a commit, and in between.
      if (line === 'committed') commits++;
      const isDue = commits >= ([2, 5, 9][kills] ?? Infinity);
      const aim = ['committing', 'preparing', 'manifest'][kills];
      if (isDue && line === aim) restarting = restarting.then(restart);
    });
    await restarting;
    expect(kills).toBe(3);
    expectCopied(await consumeCommitted(kafka, 'to', bootstrapServers, 'all'), RECORDS, KEYS);
  });
});
