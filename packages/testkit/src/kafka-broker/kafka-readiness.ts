import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const REQUEST_TIMEOUT_MS = 2_000;

/** Waits until the broker answers a Metadata request and names itself as alive; rejects with the signal's reason. */
export const untilKafkaIsReady = async (
  port: number,
  onMissing: (missing: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  for (;;) {
    signal.throwIfAborted();
    const response = await ask(port, metadataRequest(), signal);
    if (response !== undefined && liveBrokers(response) > 0) return;
    onMissing(response === undefined ? 'the broker does not answer' : 'the broker is not registered yet');
    await sleep(POLL_MS, undefined, { signal });
  }
};

/** Metadata, version 1, for no topic; after the protocol guide of Apache Kafka. */
export const metadataRequest = (): Buffer => {
  const clientId = Buffer.from('millrace-testkit');
  const request = Buffer.alloc(4 + 2 + 2 + 4 + 2 + clientId.length + 4);
  let at = request.writeInt32BE(request.length - 4, 0);
  at = request.writeInt16BE(3, at); // api key
  at = request.writeInt16BE(1, at); // api version
  at = request.writeInt32BE(1, at); // correlation id
  at = request.writeInt16BE(clientId.length, at);
  at += clientId.copy(request, at);
  request.writeInt32BE(0, at); // topics
  return request;
};

/** How many brokers a Metadata response lists. */
export const liveBrokers = (response: Buffer): number => (response.length < 12 ? 0 : response.readInt32BE(8));

/** Sends one request on a connection of its own; undefined when no complete response comes. */
const ask = (port: number, request: Buffer, signal: AbortSignal): Promise<Buffer | undefined> =>
  new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (response?: Buffer): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(response);
    };
    const onAbort = (): void => finish();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => finish());
    socket.once('error', () => finish());
    socket.once('close', () => finish());
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) finish(received);
    });
  });
