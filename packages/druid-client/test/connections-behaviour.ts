import { FaultProxy } from '@millrace/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { DruidClient } from '../src/druid-client.js';
import type { DruidClientOptions } from '../src/options.js';
import type { DruidEndEvent } from '../src/transport/hooks.js';
import { collect } from './fake-druid.js';
import { forwardProxy } from './transport/forward-proxy.js';

/** How the client gets to a server, whichever that is. */
export function describeConnections(url: () => string): void {
  describe('connections', () => {
    const opened: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of opened.splice(0)) await close();
    });
    const clientOf = (options: Partial<DruidClientOptions>) => {
      const client = new DruidClient({ url: url(), ...options });
      opened.push(() => client.close());
      return client;
    };
    const faulty = async () => {
      const proxy = await FaultProxy.start({ upstream: url() });
      opened.push(() => proxy.stop());
      return proxy;
    };

    it('go on to a server that lives, and stay there', async () => {
      const dead = await faulty();
      dead.refuse();
      const ends: DruidEndEvent[] = [];
      const client = clientOf({ url: [dead.url, url()], hooks: { onEnd: (event) => ends.push(event) } });
      expect(await client.cluster.health()).toBe(true);
      expect(await client.sql.query('SELECT 1 AS n')).toEqual([{ n: 1 }]);
      expect(client.url).toBe(url());
      expect(ends.at(-1)).toMatchObject({ status: 200, isComplete: true });
    });

    it('cancel a query at the server that runs it, when it was lost at another', async () => {
      const [first, second] = [await faulty(), await faulty()];
      first.on({ path: '/druid/v2/sql' }, { type: 'reset' });
      const client = clientOf({ url: [first.url, second.url] });
      for await (const rows of client.sql.stream('SELECT 1 AS n')) {
        expect(rows).toEqual([{ n: 1 }]);
        break; // before its end mark was seen
      }
      const cancelled = await second.received({ method: 'DELETE' });
      expect(cancelled.path).toMatch(/^\/druid\/v2\/sql\/millrace-/);
      expect(first.requests.map(({ method }) => method)).toEqual(['POST']);
    });

    it('go through a proxy', async () => {
      const proxy = await forwardProxy({ user: 'me', password: 'pässword' });
      const client = clientOf({ proxy: proxy.url });
      expect(await collect(client.sql.stream('SELECT 1 AS n'))).toEqual([[{ n: 1 }]]);
      expect(proxy.seen).toEqual([`POST ${url()}/druid/v2/sql`]);
    });

    it('share one place, if that is all there are', async () => {
      const client = clientOf({ pool: { maxConnections: 1 } });
      const all = [1, 2, 3].map((n) => client.sql.query(`SELECT ${n} AS n`));
      expect(await Promise.all(all)).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
    });
  });
}
