import { connect, createServer, type Server, type Socket } from 'node:net';

/** An address that stays while the broker behind it is started again on another port. */
export class TcpProxy {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Undefined: connections are refused. */
  targetPort: number | undefined;

  static async open(): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TcpProxy(server);
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
  }
}
