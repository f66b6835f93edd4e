import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * An address of a Kafka broker that stays while the broker behind it is started again on another port, and where connections
 * break and answers get lost as a test says.
 */
export class BrokerProxy {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Undefined: connections are refused. */
  targetPort: number | undefined;
  /**
   * Asked for each request that comes in one piece, by its API key: whether the broker shall get it, and its answer be thrown
   * away with the connection.
   */
  losesAnswerTo: ((apiKey: number) => boolean) | undefined;

  static async open(): Promise<BrokerProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new BrokerProxy(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    server.on('connection', (client) => this.#forward(client));
  }

  /** Ends every connection, whatever is on its way. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket): void {
    if (this.targetPort === undefined) {
      client.destroy();
      return;
    }
    const broker = connect(this.targetPort, '127.0.0.1');
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
    client.on('data', (piece: Buffer) => {
      // A request begins with its size and its API key.
      const isWhole = piece.length >= 6 && piece.readInt32BE(0) + 4 === piece.length;
      if (!isWhole || this.losesAnswerTo?.(piece.readInt16BE(4)) !== true) return;
      broker.unpipe(client);
      broker.once('data', () => broker.destroy()).resume();
    });
  }
}
