import { describe, expect, it } from 'vitest';
import type { DruidClient } from '../../src/druid-client.js';
import { DruidConfigError } from '../../src/errors.js';
import { failure, fakeDruid, json } from '../fake-druid.js';

type Call = (druid: DruidClient) => Promise<unknown>;

const by = { author: 'ada', comment: 'é' };
const writes: readonly (readonly [string, Call, string])[] = [
  [
    'tasks.shutdownAll',
    (d) => d.tasks.shutdownAll('a'),
    'POST /druid/indexer/v1/datasources/a/shutdownAllTasks {}',
  ],
  ['supervisors.reset', (d) => d.supervisors.reset('s'), 'POST /druid/indexer/v1/supervisor/s/reset {}'],
  [
    'supervisors.resetOffsets',
    (d) => d.supervisors.resetOffsets('s', { type: 'kafka', stream: 't', offsets: { 0: 5n } }),
    'POST /druid/indexer/v1/supervisor/s/resetOffsets {"type":"kafka","partitions":{"type":"end","stream":"t","partitionOffsetMap":{"0":5}}}',
  ],
  [
    'supervisors.handoff',
    (d) => d.supervisors.handoff('s', [0]),
    'POST /druid/indexer/v1/supervisor/s/taskGroups/handoff {"taskGroupIds":[0]}',
  ],
  [
    'supervisors.suspendAll',
    (d) => d.supervisors.suspendAll(),
    'POST /druid/indexer/v1/supervisor/suspendAll {}',
  ],
  [
    'supervisors.resumeAll',
    (d) => d.supervisors.resumeAll(),
    'POST /druid/indexer/v1/supervisor/resumeAll {}',
  ],
  [
    'supervisors.terminateAll',
    (d) => d.supervisors.terminateAll(),
    'POST /druid/indexer/v1/supervisor/terminateAll {}',
  ],
  ['sql.cancel', (d) => d.sql.cancel('a/b'), 'DELETE /druid/v2/sql/a%2Fb'],
  ['native.cancel', (d) => d.native.cancel('q'), 'DELETE /druid/v2/q'],
  [
    'datasources.deleteUnused',
    (d) => d.datasources.deleteUnused('a', '2026-01-01/2026-01-02', by),
    'DELETE /druid/coordinator/v1/datasources/a/intervals/2026-01-01_2026-01-02',
  ],
  [
    'rules.set',
    (d) => d.rules.set('a', [{ type: 'dropForever' }], by),
    'POST /druid/coordinator/v1/rules/a [{"type":"dropForever"}]',
  ],
  ['lookups.initialize', (d) => d.lookups.initialize(by), 'POST /druid/coordinator/v1/lookups/config {}'],
  [
    'lookups.set',
    (d) => d.lookups.set('t', 'l', { version: 'v', lookupExtractorFactory: { type: 'map' } }, by),
    'POST /druid/coordinator/v1/lookups/config/t/l {"version":"v","lookupExtractorFactory":{"type":"map"}}',
  ],
  [
    'lookups.delete',
    (d) => d.lookups.delete('t', 'l', by),
    'DELETE /druid/coordinator/v1/lookups/config/t/l',
  ],
  [
    'lookups.deleteTier',
    (d) => d.lookups.deleteTier('t', by),
    'DELETE /druid/coordinator/v1/lookups/config/t',
  ],
  [
    'config.setCoordinator',
    (d) => d.config.setCoordinator({ maxSegmentsToMove: 7 }, by),
    'POST /druid/coordinator/v1/config {"maxSegmentsToMove":7}',
  ],
  [
    'config.setOverlord',
    (d) => d.config.setOverlord({ type: 'default' }, by),
    'POST /druid/indexer/v1/worker {"type":"default"}',
  ],
  [
    'compaction.set',
    (d) => d.compaction.set({ dataSource: 'a' }, by),
    'POST /druid/coordinator/v1/config/compaction {"dataSource":"a"}',
  ],
  [
    'compaction.setTaskSlots',
    (d) => d.compaction.setTaskSlots({ ratio: 0.5, max: 2 }, by),
    'POST /druid/coordinator/v1/config/compaction/taskslots?ratio=0.5&max=2 {}',
  ],
  [
    'compaction.setClusterConfig',
    (d) => d.compaction.setClusterConfig({ maxCompactionTaskSlots: 2 }, by),
    'POST /druid/indexer/v1/compaction/config/cluster {"maxCompactionTaskSlots":2}',
  ],
  [
    'compaction.delete',
    (d) => d.compaction.delete('a', by),
    'DELETE /druid/coordinator/v1/config/compaction/a',
  ],
  [
    'cluster.disableWorker',
    (d) => d.cluster.disableWorker('h:1'),
    'POST /druid/indexer/v1/worker/h%3A1/disable {}',
  ],
  [
    'cluster.enableWorker',
    (d) => d.cluster.enableWorker('h:1'),
    'POST /druid/indexer/v1/worker/h%3A1/enable {}',
  ],
  [
    'security.setPassword',
    (d) => d.security('n', 'z').authentication.setPassword('a', 'p'),
    'POST /druid-ext/basic-security/authentication/db/n/users/a/credentials {"password":"p"}',
  ],
  [
    'security.setPermissions',
    (d) =>
      d
        .security('n', 'z')
        .authorization.setPermissions('r', [{ resource: { type: 'STATE', name: 'x' }, action: 'WRITE' }]),
    'POST /druid-ext/basic-security/authorization/db/z/roles/r/permissions [{"resource":{"type":"STATE","name":"x"},"action":"WRITE"}]',
  ],
  [
    'security.assignRole',
    (d) => d.security('n', 'z').authorization.assignRole('a', 'r'),
    'POST /druid-ext/basic-security/authorization/db/z/users/a/roles/r {}',
  ],
  [
    'security.unassignRole',
    (d) => d.security('n', 'z').authorization.unassignRole('a', 'r'),
    'DELETE /druid-ext/basic-security/authorization/db/z/users/a/roles/r',
  ],
];

const line = ({ method, url, text }: { method: string; url: string; text: string }) =>
  `${method} ${url} ${text}`.trim();

describe('writes', () => {
  it.each(writes)('%s is sent once, whatever happens', async (_, call, request) => {
    const druid = await fakeDruid((_request, response, n) =>
      n === 1 ? json(response, 200, {}) : json(response, 503, {}),
    );
    await call(druid.client());
    expect(druid.seen.map(line)).toEqual([request]);
    await failure(call(druid.client()));
    expect(druid.seen).toHaveLength(2);
  });

  it('carry author and comment, which must fit into a header', async () => {
    const druid = await fakeDruid((_, response) => response.writeHead(200).end());
    const { rules } = druid.client();
    await rules.set('a', [], by);
    expect(druid.seen[0]?.headers).toMatchObject({ 'x-druid-author': 'ada', 'x-druid-comment': 'é' });
    for (const comment of ['a\r\nX-Evil: 1', '漢'])
      expect(DruidConfigError.is(await failure((async () => rules.set('a', [], { comment }))()))).toBe(true);
    expect(druid.seen).toHaveLength(1);
  });
});
