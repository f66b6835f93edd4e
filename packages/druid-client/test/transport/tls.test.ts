import type { TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DruidClient } from '../../src/druid-client.js';
import { DruidConfigError, DruidConnectionError } from '../../src/errors.js';
import type { DruidTlsOptions } from '../../src/options.js';
import { failure, fakeDruid, json, type FakeDruid } from '../fake-druid.js';
import { certificates } from './certificates.js';

const { ca, server, client: own, lockedKey } = certificates;

/** Answers the name in the client's certificate, as Druid's version. */
function secureDruid(options: { readonly requestCert?: boolean } = {}): Promise<FakeDruid> {
  const { requestCert = false } = options;
  return fakeDruid(
    (_, response) => {
      const peer = (response.socket as TLSSocket).getPeerCertificate();
      json(response, 200, {
        version: peer.subject?.CN ?? 'nobody',
        modules: [],
        memory: { maxMemory: 1, usedMemory: 1 },
      });
    },
    { ...server, ca, requestCert, rejectUnauthorized: requestCert },
  );
}

async function connectionError(druid: FakeDruid, tls: DruidTlsOptions, url?: string) {
  const client = druid.client({ tls, ...(url === undefined ? {} : { url }) });
  const error = await failure(client.cluster.version());
  if (!DruidConnectionError.is(error)) throw error;
  expect(druid.sleeps).toEqual([]); // no repetition mends it
  expect(error).toMatchObject({ retryable: false, details: { mayHaveArrived: false } });
  return error;
}

describe('TLS', () => {
  it("trusts the caller's own authority", async () => {
    const druid = await secureDruid();
    expect(await druid.client({ tls: { ca } }).cluster.version()).toBe('nobody');
  });

  it('refuses a server that it cannot trust, and says how to', async () => {
    const druid = await secureDruid();
    const { message, details } = await connectionError(druid, {});
    expect(details.reason).toBe('SELF_SIGNED_CERT_IN_CHAIN');
    expect(message).toContain("give its authority in option 'tls.ca'");
    expect(druid.seen).toHaveLength(0);
    const unchecked = druid.client({ tls: { rejectUnauthorized: false } });
    expect(await unchecked.cluster.version()).toBe('nobody');
  });

  it('refuses a certificate for another name', async () => {
    const druid = await secureDruid();
    const url = druid.url.replace('127.0.0.1', '127.0.0.2');
    const other = await fakeDruid((_, response) =>
      response.writeHead(307, { location: `${url}/status` }).end(),
    );
    const error = await failure(other.client({ tls: { ca } }).cluster.version());
    // Nothing listens there on some systems; where something does, its name is wrong.
    expect(DruidConnectionError.is(error) && error.details.mayHaveArrived).toBe(false);
    const named = await connectionError(druid, { ca }, druid.url.replace('127.0.0.1', '[::ffff:127.0.0.1]'));
    expect(named.message).toContain("The server's certificate is for another name than [::ffff:7f00:1]");
  });

  it.each([
    ['certificate and key', { cert: own.cert, key: own.key }],
    ['a key with a pass phrase', { cert: own.cert, key: lockedKey, passphrase: 'open-sesame' }],
    ['buffers', { cert: Buffer.from(own.cert), key: Buffer.from(own.key) }],
  ])('shows who it is, with %s', async (_, tls) => {
    const druid = await secureDruid({ requestCert: true });
    expect(await druid.client({ tls: { ca, ...tls } }).cluster.version()).toBe('millrace');
  });

  it('says what is missing when the server wants a certificate', async () => {
    const druid = await secureDruid({ requestCert: true });
    const client = druid.client({ tls: { ca }, retry: { maxAttempts: 1 } });
    const error = await failure(client.cluster.version());
    expect(DruidConnectionError.is(error)).toBe(true);
    expect((error as Error).message).toContain("give 'tls.cert' and 'tls.key'");
  });

  it('shows its certificate to no host but the trusted ones (invariant 1)', async () => {
    const leader = await secureDruid({ requestCert: false });
    // Asks for a certificate, and takes none as well.
    const curious = await fakeDruid(
      (_, response) =>
        json(response, 200, {
          version: (response.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody',
          modules: [],
          memory: { maxMemory: 1, usedMemory: 1 },
        }),
      { ...server, ca, requestCert: true, rejectUnauthorized: false },
    );
    const location = `${curious.url.replace('127.0.0.1', 'localhost')}/status`;
    const router = await fakeDruid((_, response) => response.writeHead(307, { location }).end(), server);
    const tls = { ca, ...own };
    expect(await router.client({ tls }).cluster.version()).toBe('nobody');
    expect(await router.client({ tls, trustedHosts: ['localhost'] }).cluster.version()).toBe('millrace');
    expect(await leader.client({ tls }).cluster.version()).toBe('nobody');
  });

  it('is not left by a redirect (invariant 1 of the transport), and the connection is free again', async () => {
    const plain = await fakeDruid((_, response) => json(response, 200, true));
    const druid = await fakeDruid(
      (_, response) => response.writeHead(307, { location: `${plain.url}/status` }).end('elsewhere'),
      server,
    );
    const client = druid.client({ tls: { ca }, pool: { maxConnections: 1 } });
    for (let n = 0; n < 2; n++) {
      const error = await failure(client.cluster.version());
      expect(DruidConfigError.is(error)).toBe(true);
      expect((error as Error).message).toContain('it would leave https');
    }
    expect(plain.seen).toHaveLength(0);
  });

  it('asks whether it is https at all', async () => {
    const plain = await fakeDruid((_, response) => json(response, 200, true));
    const { message } = await connectionError(plain, { ca }, plain.url.replace('http:', 'https:'));
    expect(message).toMatch(/Does https:\/\/127\.0\.0\.1:\d+ speak https\?/);
  });

  it.each([
    ['no PEM', { ca: 'secret text' }],
    ['another key', { cert: own.cert, key: server.key }],
    ['a wrong pass phrase', { cert: own.cert, key: lockedKey, passphrase: 'swordfish' }],
  ])('refuses %s at once, without quoting it', (_, tls) => {
    let error: unknown;
    try {
      new DruidClient({ url: 'https://druid', tls });
    } catch (cause) {
      error = cause;
    }
    expect(DruidConfigError.is(error) && error.details.option).toBe('tls');
    expect(inspect(error, { depth: 9 })).not.toMatch(/secret text|swordfish|BEGIN/);
  });

  it('keeps connections', async () => {
    const druid = await secureDruid();
    const client = druid.client({ tls: { ca } });
    for (let n = 0; n < 4; n++) await client.cluster.version();
    expect(druid.sockets.size).toBe(1);
  });
});
