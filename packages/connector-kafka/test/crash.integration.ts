/**
 * A job KafkaSource → map → KafkaSink in a process of its own, killed by `SIGKILL` again and again, also at another
 * parallelism. Java's consumer counts. `MILLRACE_KAFKA_KILLS` sets how often.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consumeCommitted, expectCopied } from './support/java-consumer.js';
import { createTopic, sendNumbers } from './support/kafka.js';
import { runUntilKilled, type Kill } from './support/killed-process.js';
import { transpilePackages, type TranspiledPackages } from './support/transpiled-packages.js';

const KILLS = Number(process.env['MILLRACE_KAFKA_KILLS'] ?? 12);
/** Enough that a job lives through as many kills. */
const RECORDS = 2_000 * KILLS;
const KEYS = 17;
const program = join(import.meta.dirname, 'support/copying-job.mjs');

/** What is short would hardly be hit by chance. */
const aims = [
  'recovering',
  'flushing',
  'preparing',
  'manifest',
  'committing',
  'committed',
  'started',
] as const;

function killOf(nth: number): Kill {
  const line = aims[nth % aims.length]!;
  const isOnce = line === 'recovering' || line === 'started';
  return {
    line,
    nth: isOnce ? 1 : 1 + Math.floor(Math.random() * 6),
    afterMs: line === 'started' ? Math.random() * 400 : Math.random() * 6,
  };
}

describe.skipIf(!requireRealServers())('a job that is killed', () => {
  let kafka: KafkaBroker;
  let built: TranspiledPackages;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kafka-crash-'));
    const properties = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200' };
    [kafka, built] = await Promise.all([KafkaBroker.start({ properties }), transpilePackages()]);
  });
  afterAll(async () => {
    await kafka?.stop();
    await built?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  it('copies every record once, in the order of its key', { timeout: 600_000 }, async () => {
    const { bootstrapServers } = kafka;
    await createTopic(bootstrapServers, 'from', 4);
    await createTopic(bootstrapServers, 'to', 3);
    await sendNumbers(bootstrapServers, 'from', RECORDS, KEYS);
    const { coreUrl, kafkaUrl } = built;
    let kills = 0;
    for (let hasFinished = false; !hasFinished;) {
      const kill = kills < KILLS ? killOf(kills) : undefined;
      const options = {
        coreUrl,
        kafkaUrl,
        bootstrapServers,
        from: 'from',
        to: 'to',
        checkpoints: join(directory, 'checkpoints'),
        parallelism: 1 + (Math.floor(kills / 2) % 3),
      };
      hasFinished = await runUntilKilled(program, options, kill);
      if (!hasFinished) kills++;
    }
    expectCopied(await consumeCommitted(kafka, 'to', kafka.bootstrapServers, 'all'), RECORDS, KEYS);
    expect(kills).toBeGreaterThan(KILLS / 2);
  });

  describe('with a transaction open', () => {
    const COUNT = 20;

    /** Everything is written, and nothing committed. Records of others come behind it, which consumers wait for. */
    const leftOpen = async (to: string, transactionTimeoutMs: number) => {
      const { bootstrapServers } = kafka;
      const { coreUrl, kafkaUrl } = built;
      const from = `${to}-from`;
      await createTopic(bootstrapServers, from, 2);
      await createTopic(bootstrapServers, to, 1);
      await sendNumbers(bootstrapServers, from, 2, 1); // few: within the time-out, however slow the machine is
      const checkpoints = join(directory, to);
      const job = { coreUrl, kafkaUrl, bootstrapServers, from, to, checkpoints, parallelism: 1 };
      const options = { ...job, transactionTimeoutMs, intervalMs: 3_600_000 };
      expect(await runUntilKilled(program, { ...options, haltAt: 'preparing' }, at('preparing'))).toBe(false);
      await sendNumbers(bootstrapServers, to, COUNT, 1);
      return options;
    };
    const at = (line: string): Kill => ({ line, nth: 1, afterMs: 0 });

    it('holds consumers back for no longer than its time-out', { timeout: 300_000 }, async () => {
      await leftOpen('timed-out', 3_000);
      expectCopied(await consumeCommitted(kafka, 'timed-out', kafka.bootstrapServers, 'all'), COUNT, 1);
    });

    it(
      'holds them back until it is started again, not until it has written',
      { timeout: 300_000 },
      async () => {
        const options = await leftOpen('restarted', 900_000);
        expect(await consumeCommitted(kafka, 'restarted')).toEqual([]);
        const restarted = { ...options, haltAt: 'recovered' };
        expect(await runUntilKilled(program, restarted, at('recovered'))).toBe(false);
        const seen = await consumeCommitted(kafka, 'restarted', kafka.bootstrapServers, 'all');
        expectCopied(seen, COUNT, 1);
      },
    );
  });
});
