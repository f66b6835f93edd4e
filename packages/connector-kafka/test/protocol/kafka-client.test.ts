import { createServer, type Server, type Socket } from 'node:net';
import { silentLogger } from '@millrace/core-stream';
import { ManualClock, until } from '@millrace/core-stream/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KafkaConnectionError, KafkaRemoteError } from '../../src/index.js';
import { metadata } from '../../src/protocol/cluster-apis.js';
import { KafkaClient } from '../../src/protocol/kafka-client.js';

describe('KafkaClient', () => {
  let server: Server;
  let port: number;
  let clock: ManualClock;
  let abort: AbortController;
  let client: KafkaClient;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    // Takes requests, and never answers.
    server = createServer((socket) => void sockets.add(socket.on('error', () => undefined).resume()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as { port: number }).port;
    clock = new ManualClock();
    abort = new AbortController();
    const context = { clock, logger: silentLogger, signal: abort.signal };
    client = new KafkaClient(
      { bootstrapServers: `127.0.0.1:${port}`, unavailableTimeoutMs: 10_000 },
      context,
    );
  });
  afterEach(async () => {
    client.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise((resolve) => server.close(resolve));
  });

  const ask = () => client.request({ host: '127.0.0.1', port }, metadata, { topics: [], mayCreate: false });

  it('gives up a request that is not answered, and its connection (invariant 1)', async () => {
    const asked = expect(ask()).rejects.toMatchObject({ code: 'KAFKA_CONNECTION', retryable: true });
    await until(() => sockets.size === 1);
    let isOver = false;
    void asked.then(() => (isOver = true));
    await until(
      () => isOver,
      () => clock.advance(100),
    );
    await asked;
    await until(() => [...sockets].every(({ destroyed }) => destroyed));
  });

  it('ends requests under way, and what is connecting, when it is closed', async () => {
    const asked = expect(ask()).rejects.toMatchObject({ code: 'KAFKA_CONNECTION' });
    client.close();
    await asked;
    await expect(ask()).rejects.toThrow(/closed/);
  });

  it('repeats what passes, ever more slowly, until it takes too long (invariant 2)', async () => {
    const times: number[] = [];
    let failure: unknown;
    const start = clock.now();
    client
      .retrying('Testing', () => {
        times.push(clock.now() - start);
        return Promise.reject(new KafkaConnectionError('no luck'));
      })
      .catch((error: unknown) => (failure = error));
    await until(
      () => failure !== undefined,
      () => clock.advance(10),
    );
    const waits = times.slice(1).map((time, i) => time - times[i]!);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(waits.length).toBeGreaterThan(5);
    expect(failure).toMatchObject({ code: 'KAFKA_CONNECTION', cause: { message: 'no luck' } });
    expect((failure as Error).message).toMatch(
      /Testing has not succeeded for 1\d{4} ms, last because: no luck/,
    );
  });

  it('repeats nothing that does not pass, and nothing once the job is over', async () => {
    let attempts = 0;
    const refused = new KafkaRemoteError('no', {
      retryable: false,
      kafkaError: 'TOPIC_AUTHORIZATION_FAILED',
    });
    const failing = (error: Error) => () => {
      attempts++;
      return Promise.reject(error);
    };
    await expect(client.retrying('Testing', failing(refused))).rejects.toBe(refused);
    abort.abort(new Error('over'));
    await expect(client.retrying('Testing', failing(new KafkaConnectionError('no')))).rejects.toThrow('over');
    expect(attempts).toBe(2);
  });
});
