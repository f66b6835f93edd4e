import { beforeAll, expect, it } from 'vitest';
import { describeFeature } from './contract-features.js';
import type { ContractContext } from './describe-druid-contract.js';
import type { DruidHttp } from './druid-http.js';

const BASE = '/druid-ext/basic-security';

const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

export function securityContract(context: ContractContext): void {
  describeFeature(
    context,
    'basic security',
    () => ({ path: `${BASE}/authentication/db/Basic/users` }),
    () => {
      let admin: DruidHttp;
      let users: string;
      let authorized: string;
      let roles: string;

      beforeAll(() => {
        const { security } = context;
        if (security === undefined) throw new Error('`start` must say where basic security is administered');
        admin = context.druid.with({ url: security.url });
        users = `${BASE}/authentication/db/${security.authenticator}/users`;
        authorized = `${BASE}/authorization/db/${security.authorizer}/users`;
        roles = `${BASE}/authorization/db/${security.authorizer}/roles`;
      });

      const change = async (method: string, path: string, body: unknown = ''): Promise<[number, string]> => {
        const { status, text } = await admin.request(method, path, body);
        return [status, text];
      };

      it('lets nobody in without the right password', async () => {
        for (const headers of [{ authorization: '' }, basic('admin', 'wrong'), basic('nobody', '')]) {
          const stranger = context.druid.with({ headers });
          expect((await stranger.sql('SELECT 1')).status).toBe(401);
          expect((await stranger.get('/druid/indexer/v1/tasks')).status).toBe(401);
        }
        expect((await context.druid.sql('SELECT 1')).status).toBe(200);
      });

      it('makes users and roles, and lets a user do what a role allows', async () => {
        const name = context.unique('ann');
        const role = context.unique('readers');
        const datasource = { name: context.data.events, type: 'DATASOURCE' };
        const permission = { resource: datasource, action: 'READ' };
        expect(await change('POST', `${users}/${name}`, {})).toEqual([200, '']);
        expect(await change('POST', `${users}/${name}`, {})).toEqual([
          400,
          `{"error":"User [${name}] already exists."}`,
        ]);
        expect(await change('POST', `${users}/${name}/credentials`, { password: 'päss' })).toEqual([200, '']);
        expect(await change('POST', `${authorized}/${name}`, {})).toEqual([200, '']);
        expect(await change('POST', `${roles}/${role}`)).toEqual([200, '']);
        expect(await change('POST', `${roles}/${role}/permissions`, [permission])).toEqual([200, '']);
        expect(await admin.json(`${users}/${name}`)).toMatchObject({
          name,
          credentials: { iterations: expect.any(Number) }, // 10,000 unless the server is configured otherwise
        });
        expect(await admin.json(`${roles}/${role}`)).toMatchObject({
          name: role,
          permissions: [{ resourceAction: permission, resourceNamePattern: datasource.name }],
        });
        const ann = context.druid.with({ headers: basic(name, 'päss') });
        const count = (table: string): Promise<{ status: number }> =>
          ann.sql(`SELECT COUNT(*) FROM "${table}"`);
        await context.druid.until('the user to be known everywhere', async () =>
          (await count(context.data.events)).status === 403 ? true : undefined,
        );
        expect(await change('POST', `${authorized}/${name}/roles/${role}`)).toEqual([200, '']);
        expect(await admin.json(`${authorized}/${name}`)).toEqual({ name, roles: [role] });
        await context.druid.until('the role to be known everywhere', async () =>
          (await count(context.data.events)).status === 200 ? true : undefined,
        );
        expect((await count(context.data.clicks)).status).toBe(403);
        expect(await change('DELETE', `${authorized}/${name}/roles/${role}`)).toEqual([200, '']);
        expect(await change('DELETE', `${authorized}/${name}`)).toEqual([200, '']);
        expect(await change('DELETE', `${roles}/${role}`)).toEqual([200, '']);
        expect(await change('DELETE', `${users}/${name}`)).toEqual([200, '']);
        expect(await change('DELETE', `${users}/${name}`)).toEqual([
          400,
          `{"error":"User [${name}] does not exist."}`,
        ]);
      });

      it('knows no user, role or authenticator that nobody made', async () => {
        const text = async (path: string): Promise<[number, string]> => {
          const answer = await admin.get(path);
          return [answer.status, answer.text];
        };
        expect(await text(`${users}/nobody`)).toEqual([400, '{"error":"User [nobody] does not exist."}']);
        expect(await text(`${roles}/none`)).toEqual([400, '{"error":"Role [none] does not exist."}']);
        expect(await text(`${BASE}/authentication/db/Nope/users`)).toEqual([
          400,
          '{"error":"Basic authenticator with name [Nope] does not exist."}',
        ]);
      });
    },
  );
}
