import { describe, expect, it } from 'vitest';
import { describeFeature } from './contract-features.js';
import type { ContractContext } from './describe-druid-contract.js';

const API = '/druid/indexer/v1/supervisor';

/** A Kafka supervisor that never reads anything. */
const suspended = (dataSource: string): object => ({
  type: 'kafka',
  suspended: true,
  spec: {
    dataSchema: {
      dataSource,
      timestampSpec: { column: 't', format: 'iso' },
      dimensionsSpec: { dimensions: ['a'] },
      granularitySpec: { segmentGranularity: 'DAY' },
    },
    ioConfig: {
      topic: 'edits',
      consumerProperties: { 'bootstrap.servers': '127.0.0.1:1' },
      inputFormat: { type: 'json' },
    },
  },
});

export function supervisorContract(context: ContractContext): void {
  const post = (path: string, body: unknown = ''): Promise<{ status: number; text: string }> =>
    context.druid.request('POST', API + path, body);

  describe('supervisors', () => {
    it('refuses a type that does not exist', async () => {
      const { status, text } = await post('', { type: 'nonsense' });
      expect(status).toBe(400);
      expect(JSON.parse(text)).toHaveProperty('error');
    });

    describeFeature(
      context,
      'Kafka supervisors',
      () => ({ method: 'POST', path: API, body: suspended('refused') }),
      () => {
        it('stores one, suspended, and forgets it when terminated', async () => {
          const id = context.unique('stored');
          const { status, text } = await post('', suspended(id));
          expect([status, JSON.parse(text)]).toEqual([200, { id }]);
          expect(await context.druid.json(API)).toContain(id);
          expect(await context.druid.json(`${API}?state=true`)).toContainEqual(
            expect.objectContaining({ id, healthy: true, suspended: false }),
          );
          expect(await context.druid.json(`${API}?state=true&system=`)).toContainEqual(
            expect.objectContaining({ id, suspended: true, type: 'kafka', source: 'edits' }),
          );
          expect(await context.druid.json(`${API}/${id}`)).toMatchObject({
            type: 'kafka',
            suspended: true,
            spec: { dataSchema: { dataSource: id }, ioConfig: { topic: 'edits' } },
          });
          expect(await context.druid.json(`${API}/${id}/status`)).toMatchObject({
            id,
            payload: { dataSource: id, stream: 'edits', suspended: true, healthy: true, activeTasks: [] },
          });
          expect(await context.druid.json(`${API}/${id}/health`)).toEqual({ healthy: true });
          const again = await post(`/${id}/suspend`);
          expect([again.status, JSON.parse(again.text)]).toEqual([
            400,
            { error: `[${id}] is already suspended` },
          ]);
          const terminated = await post(`/${id}/terminate`);
          expect([terminated.status, JSON.parse(terminated.text)]).toEqual([200, { id }]);
          expect((await context.druid.get(`${API}/${id}`)).status).toBe(404);
          expect(await context.druid.json(API)).not.toContain(id);
        });

        describeFeature(
          context,
          'supervisor reports',
          () => ({ path: `${API}/history` }),
          () => {
            it('reports row counts and parse errors', async () => {
              const id = context.unique('reports');
              await post('', suspended(id));
              expect(await context.druid.json(`${API}/${id}/stats`)).toEqual({});
              expect(await context.druid.json(`${API}/${id}/parseErrors`)).toEqual([]);
              await post(`/${id}/terminate`);
            });

            it('remembers all specs of a supervisor, also after its end', async () => {
              const id = context.unique('history');
              await post('', suspended(id));
              await post(`/${id}/terminate`);
              const history = (await context.druid.json(`${API}/${id}/history`)) as {
                spec: { type: string };
                version: string;
              }[];
              expect(history.map(({ spec }) => spec.type)).toEqual(['noop', 'kafka']);
              expect((history[0]?.version ?? '') > (history[1]?.version ?? '')).toBe(true);
              expect(await context.druid.json(`${API}/history`)).toHaveProperty(id);
              const unknown = await context.druid.get(`${API}/nobody/history`);
              expect([unknown.status, unknown.text]).toEqual([404, '{"error":"No history for [nobody]."}']);
            });
          },
        );
      },
    );
  });
}
