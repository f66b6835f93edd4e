import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { WireReader } from '../../src/protocol/wire-reader.js';
import { WireWriter } from '../../src/protocol/wire-writer.js';

const SASL_AUTHENTICATION_FAILED = 58;
const USER = '\0app\0secret';

/** TLS and SASL/PLAIN (user `app`, password `secret`) before a broker that has neither. */
export class SecureProxy {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();
  targetPort = 0;

  /** For 127.0.0.1 and a few days; signed by itself. */
  readonly certificate: string;

  static async open(): Promise<SecureProxy> {
    const directory = await mkdtemp(join(tmpdir(), 'kafka-certificate-'));
    try {
      const keystore = join(directory, 'keystore.p12');
      const common = ['-alias', 'proxy', '-keystore', keystore, '-storepass', 'keystore'];
      const subject = ['-dname', 'CN=localhost', '-ext', 'san=ip:127.0.0.1', '-validity', '3'];
      const run = promisify(execFile);
      await run('keytool', ['-genkeypair', ...common, '-keyalg', 'EC', '-storetype', 'PKCS12', ...subject]);
      const { stdout } = await run('keytool', ['-exportcert', '-rfc', ...common]);
      const server = createServer({ pfx: await readFile(keystore), passphrase: 'keystore' });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return new SecureProxy(server, stdout);
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  private constructor(server: Server, certificate: string) {
    this.#server = server;
    this.certificate = certificate;
    this.address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    server.on('secureConnection', (client) => void this.#authenticate(client));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #authenticate(client: TLSSocket): Promise<void> {
    this.#sockets.add(client);
    client.on('error', () => undefined);
    const handshake = new WireReader(await frame(client));
    handshake.position = 4;
    send(client, (w) => w.int32(handshake.int32()).int16(0).int32(1).int16(5).raw(Buffer.from('PLAIN')));
    const request = new WireReader(await frame(client));
    request.position = 4;
    const correlationId = request.int32();
    const clientIdBytes = request.int16();
    request.position += Math.max(0, clientIdBytes);
    request.skipTags();
    const isKnown = request.compactString() === USER;
    send(client, (w) =>
      w
        .int32(correlationId)
        .noTags()
        .int16(isKnown ? 0 : SASL_AUTHENTICATION_FAILED)
        .compactString(isKnown ? null : 'who are you?')
        .compactBytes(Buffer.alloc(0))
        .int64(0)
        .noTags(),
    );
    if (!isKnown) return;
    const broker = connect(this.targetPort, '127.0.0.1');
    broker.on('error', () => client.destroy());
    broker.on('close', () => client.destroy());
    client.on('close', () => broker.destroy());
    client.pipe(broker);
    broker.pipe(client);
  }
}

/** One request. They come one at a time until the connection is authenticated. */
function frame(socket: TLSSocket): Promise<Buffer> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      socket.off('data', onData);
      socket.pause();
      resolve(received.subarray(4));
    };
    socket.on('data', onData);
    socket.resume();
  });
}

function send(socket: TLSSocket, write: (w: WireWriter) => void): void {
  const writer = new WireWriter();
  write(writer);
  socket.write(new WireWriter().int32(writer.length).raw(writer.bytes).bytes);
}
