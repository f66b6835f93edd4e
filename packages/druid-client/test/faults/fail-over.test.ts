import type { EmbeddedDruid, ProxyFault } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DruidConnectionError, DruidError } from '../../src/errors.js';
import { behindProxy, closeAll, druidWithEdits, operations, type Operation } from './set-up.js';

let druid: EmbeddedDruid;
/** Takes the tasks, so that they do not change what the others read. */
let writable: EmbeddedDruid;
let ids = 0;

beforeAll(async () => {
  [druid, writable] = await Promise.all([druidWithEdits(), druidWithEdits()]);
});
afterEach(closeAll);
afterAll(() => Promise.all([druid.stop(), writable.stop()]));

const serverOf = ({ kind }: Operation) => (kind === 'identified' || kind === 'once' ? writable : druid);

/** What a call delivers, or the error that it ends in. */
async function outcome(operation: Operation, client: Parameters<Operation['run']>[0]): Promise<unknown> {
  const items: unknown[] = [];
  return operation.run(client, items, `moved-${++ids}`).then(
    () => items,
    (error: unknown) => error,
  );
}

/** Faults of a server that another one makes good. */
const faults: readonly ProxyFault[] = [
  { type: 'reset' },
  { type: 'reset', handled: true },
  { type: 'go-down' },
  { type: 'reset-mid-body', afterBytes: 0 },
  { type: 'html-page', status: 502 },
  { type: 'html-page', status: 503 },
  { type: 'html-page', status: 502, handled: true },
  { type: 'redirect', to: 'dead' },
];

describe.each(operations)('$name, with a second server', (operation) => {
  const { kind, path } = operation;

  it.each(faults)('meets $type at the first one ($status)', async (fault) => {
    const { proxy: first, client: alone } = await behindProxy(serverOf(operation));
    const whole = await outcome(operation, alone);
    first.reset();
    first.on({ path }, fault);
    const { proxy: second, client, sleeps } = await behindProxy(serverOf(operation), { before: [first.url] });
    const end = await outcome(operation, client);
    const submissions = [...first.requests, ...second.requests].filter(({ method }) => method !== 'DELETE');
    if (kind !== 'once' || fault.type === 'redirect') {
      expect(end).toEqual(whole);
      expect(sleeps).toEqual([]);
      expect(client.url).toBe(second.url);
    } else {
      if (!DruidError.is(end)) throw end;
      if (DruidConnectionError.is(end)) expect(end.details.mayHaveArrived).toBe(true);
      expect(submissions).toHaveLength(1); // it may have arrived: nobody else is asked
    }
    expect(first.requests.filter(({ method }) => method !== 'DELETE')).toHaveLength(1);
  });

  it('goes there when the first one is down', async () => {
    const { proxy: first } = await behindProxy(serverOf(operation));
    first.refuse();
    const { client, proxy, sleeps } = await behindProxy(serverOf(operation), { before: [first.url] });
    const { client: alone } = await behindProxy(serverOf(operation));
    expect(await outcome(operation, client)).toEqual(await outcome(operation, alone));
    expect(sleeps).toEqual([]);
    expect(proxy.requests.length).toBeGreaterThan(0);
  });
});
