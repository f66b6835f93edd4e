import { createServer, request as httpRequest } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A loopback HTTP proxy: whole addresses for plain requests, CONNECT for tunnels. */
export interface ForwardProxy {
  /** With user and password, if it wants them. */
  readonly url: string;
  readonly origin: string;
  /** `GET http://…` and `CONNECT host:port` of what it has passed on or refused, in order. */
  readonly seen: string[];
  /** Connections that are open. */
  readonly sockets: Set<Socket>;
}

/** Starts a {@link ForwardProxy} that stops with the test. `isSilent`: it takes connections and never answers. */
export async function forwardProxy(
  options: { readonly user?: string; readonly password?: string; readonly isSilent?: boolean } = {},
): Promise<ForwardProxy> {
  const { user, password, isSilent = false } = options;
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const wanted =
    user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (isSilent) return;
    const { 'proxy-authorization': given, ...headers } = request.headers;
    if (given !== wanted) return void response.writeHead(407).end();
    const onward = httpRequest(request.url ?? '', { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  server.on('connect', (request, client: Socket) => {
    seen.push(`CONNECT ${request.url}`);
    if (isSilent) return void client.resume().on('end', () => client.end());
    if (request.headers['proxy-authorization'] !== wanted) {
      return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
    client.on('close', () => upstream.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const userInfo =
    user === undefined ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? '')}@`;
  return { url: `http://${userInfo}${host}`, origin: `http://${host}`, seen, sockets };
}
