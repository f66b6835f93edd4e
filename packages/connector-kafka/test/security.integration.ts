/** Credentials reach the broker through TLS and SASL, and wrong ones end the job at once. */
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaSource, textDeserializer, type KafkaConnectionOptions } from '../src/index.js';
import { readAll, sendNumbers } from './support/kafka.js';
import { SecureProxy } from './support/secure-proxy.js';

describe.skipIf(!requireRealServers())('TLS and SASL', () => {
  let proxy: SecureProxy;
  let kafka: KafkaBroker;
  beforeAll(async () => {
    proxy = await SecureProxy.open();
    kafka = await KafkaBroker.start({
      properties: { 'advertised.listeners': `PLAINTEXT://${proxy.address}` },
    });
    proxy.targetPort = kafka.port;
  });
  afterAll(async () => {
    await kafka?.stop();
    await proxy?.close();
  });

  const secure = (password: string): Omit<KafkaConnectionOptions, 'bootstrapServers'> => ({
    tls: { ca: proxy.certificate },
    sasl: { mechanism: 'PLAIN', username: 'app', password: () => password },
    unavailableTimeoutMs: 2_000,
  });
  const read = (connection: Omit<KafkaConnectionOptions, 'bootstrapServers'>) =>
    readAll<string>(
      new KafkaSource({
        bootstrapServers: proxy.address,
        topics: 'secret',
        deserializer: textDeserializer(),
        stoppingOffsets: 'latest',
        ...connection,
      }) as never,
    );

  it('take what the options say, for sources and sinks', async () => {
    // The first write makes the topic, which may take a while.
    await sendNumbers(proxy.address, 'secret', 10, 1, { ...secure('secret'), unavailableTimeoutMs: 30_000 });
    expect(await read(secure('secret'))).toHaveLength(10);
  });

  it('fail at once where the password is wrong, and do not say it', async () => {
    const error = await read(secure('guessed')).then(
      () => undefined,
      (failure: Error) => failure,
    );
    const { cause } = error as { cause?: unknown };
    expect(cause ?? error).toMatchObject({ code: 'KAFKA_CONNECTION', retryable: false });
    expect(String(error)).toMatch(/See the mechanism and credentials in 'sasl'/);
    expect(JSON.stringify(error) + String(error)).not.toContain('guessed');
  });

  it('do not connect to a server whose certificate nobody vouches for', async () => {
    await expect(read({ ...secure('secret'), tls: {} })).rejects.toThrow(/self-signed certificate/);
  });
});
