import { readFileSync } from 'node:fs';

const file = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');

/** Certificates of an authority that exists in these tests only. The server's is for `localhost` and `127.0.0.1`. */
export const certificates = {
  ca: file('ca.pem'),
  server: { cert: file('server.pem'), key: file('server.key') },
  client: { cert: file('client.pem'), key: file('client.key') },
  /** The client's key under the pass phrase `open-sesame`. */
  lockedKey: file('client-locked.key'),
} as const;
