import { describe, expect, it } from 'vitest';
import type { ContractContext } from './describe-druid-contract.js';

/** Ten million rows (6^9) made of six: far more than the sockets between server and test can hold. */
const ENDLESS = `SELECT a.page FROM @ a ${[...'bcdefghi'].map((alias) => `CROSS JOIN @ ${alias}`).join(' ')}`;

export function cancelContract(context: ContractContext): void {
  const cancel = async (id: string): Promise<number> =>
    (await context.druid.request('DELETE', `/druid/v2/sql/${id}`)).status;

  describe('cancellation', () => {
    it('knows no query to cancel', async () => {
      expect(await cancel('no-such-query')).toBe(404);
    });

    it('finds a running query by its id, once', async () => {
      const sqlQueryId = context.unique('endless');
      const answer = await context.druid.open('/druid/v2/sql', {
        query: ENDLESS.replaceAll('@', `"${context.data.events}"`),
        resultFormat: 'arrayLines',
        context: { sqlQueryId },
      });
      expect(answer.status).toBe(200);
      const statuses = [await cancel(sqlQueryId), await cancel(sqlQueryId)];
      // Unread: a Broker that has all rows already goes on sending them.
      await answer.body?.cancel();
      expect(statuses).toEqual([202, 404]);
    });
  });
}
