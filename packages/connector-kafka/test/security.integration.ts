/** Credentials reach the broker through TLS and SASL, and wrong ones end the job at once. */
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaSink, KafkaSource, textDeserializer, type KafkaConnectionOptions } from '../src/index.js';
import { contextOf, createTopic, readAll, sendNumbers } from './support/kafka.js';

type Security = Omit<KafkaConnectionOptions, 'bootstrapServers'>;
type Mechanism = NonNullable<KafkaConnectionOptions['sasl']>['mechanism'];

describe.skipIf(!requireRealServers())('TLS and SASL', () => {
  let kafka: KafkaBroker;
  let bootstrapServers: string;
  let ca: string;
  beforeAll(async () => {
    kafka = await KafkaBroker.start({ users: { app: 'secret' } });
    ({ bootstrapServers, certificate: ca } = kafka.secure!);
    await createTopic(kafka.bootstrapServers, 'secret', 2);
  });
  afterAll(() => kafka?.stop());

  const secure = (mechanism: Mechanism, password = 'secret'): Security => ({
    tls: { ca },
    sasl: { mechanism, username: 'app', password: () => password },
    unavailableTimeoutMs: 60_000,
  });
  const read = (connection: Security) =>
    readAll<string>(
      new KafkaSource({
        bootstrapServers,
        topics: 'secret',
        deserializer: textDeserializer(),
        stoppingOffsets: 'latest',
        ...connection,
      }) as never,
    );

  it.each(['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'] as const)(
    'let sources and sinks in by %s, and transactions with them',
    async (mechanism) => {
      const before = (await read(secure(mechanism))).length;
      await sendNumbers(bootstrapServers, 'secret', 10, 3, secure(mechanism));
      expect(await read(secure(mechanism))).toHaveLength(before + 10);
      const sink = new KafkaSink<string>({
        ...secure(mechanism),
        bootstrapServers,
        deliveryGuarantee: 'exactly-once',
        transactionalIdPrefix: mechanism,
        serializer: (value) => ({ topic: 'secret', value }),
      });
      const writer = await sink.createWriter(contextOf());
      writer.write('in a transaction', { timestamp: 1, currentWatermark: 0 });
      await writer.flush(false);
      const [committable] = await writer.prepareCommit!(1, false);
      const committer = sink.createCommitter!(contextOf());
      await committer.commit([{ checkpointId: 1, subtaskIndex: 0, committable: committable! }]);
      expect(await read(secure(mechanism))).toHaveLength(before + 11);
      await writer.close();
      await committer.close?.();
    },
  );

  it.each(['SCRAM-SHA-512', 'PLAIN'] as const)(
    'fail at once where the password is wrong (%s), and do not say it',
    async (mechanism) => {
      const error = await read(secure(mechanism, 'guessed')).then(
        () => undefined,
        (failure: Error) => failure,
      );
      const { cause } = error as { cause?: unknown };
      expect(cause ?? error).toMatchObject({ code: 'KAFKA_CONNECTION', retryable: false });
      expect(String(error)).toMatch(/See the mechanism and credentials in 'sasl'/);
      expect(JSON.stringify(error) + String(error)).not.toContain('guessed');
    },
  );

  it('do not connect to a server whose certificate nobody vouches for', async () => {
    await expect(read({ ...secure('PLAIN'), tls: {} })).rejects.toThrow(/self-signed certificate/);
  });
});
