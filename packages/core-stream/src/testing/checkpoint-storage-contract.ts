import assert from 'node:assert/strict';
import type { CheckpointData, SegmentRef } from '../checkpoint/checkpoint-data.js';
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import { readRows, SegmentBuilder } from '../checkpoint/segment.js';
import { CheckpointError } from '../errors.js';
import { encodeState } from '../state/canonical-encoding.js';
import { rowId } from '../state/rows.js';
import { contractCases, type ContractCase, type ContractPlace } from './contract-case.js';

/**
 * What a `CheckpointStorage` must do, for any test runner; `open()` again is what the next start of the job has.
 *
 * ```ts
 * for (const { name, run } of checkpointStorageContract(make)) it(name, run);
 * ```
 */
export function checkpointStorageContract(
  make: () => Promise<ContractPlace<CheckpointStorage>>,
): readonly ContractCase[] {
  return contractCases(make, {
    'has nothing at first': async (open) => {
      assert.equal(await open().latest(), undefined);
      assert.deepEqual(await open().list(), []);
      await refused(open().read(1), /1/);
    },

    'keeps the lineage of its first claim': async (open) => {
      const first = open();
      assert.deepEqual(await first.claim(lineage('one')), lineage('one'));
      await first.release?.();
      const second = open();
      assert.deepEqual(await second.claim(lineage('two')), lineage('one'));
      await second.release?.();
    },

    'refuses a second claim until the first is released': async (open) => {
      const first = open();
      await first.claim(lineage('one'));
      await refused(open().claim(lineage('two')), new RegExp(String(process.pid)));
      await first.write(checkpoint(1));
      await first.release?.();
      const second = open();
      await second.claim(lineage('two'));
      await second.write(checkpoint(2));
      await second.release?.();
    },

    'lets one of several claims at the same time win': async (open) => {
      const storages = Array.from({ length: 4 }, () => open());
      const claims = await Promise.allSettled(storages.map((storage) => storage.claim(lineage('one'))));
      assert.equal(claims.filter(({ status }) => status === 'fulfilled').length, 1);
    },

    'writes for its owner only': async (open) => {
      const storage = open();
      await refused(storage.write(checkpoint(1)), /claim/);
      await storage.claim(lineage('one'));
      await storage.write(checkpoint(1));
      await storage.release?.();
      await refused(storage.write(checkpoint(2)), /claim/);
      await refused(storage.putSegment('late', [Uint8Array.of(1)]), /claim/);
      assert.deepEqual(await open().list(), [1]);
    },

    'gives back what was written': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      assert.ok((await storage.write(checkpoint(1))) > 0);
      assert.deepEqual(plain(await open().latest()), checkpoint(1));
      assert.deepEqual(plain(await open().read(1)), checkpoint(1));
      await storage.release?.();
      assert.deepEqual(plain(await open().latest()), checkpoint(1));
    },

    'has the newest one by number': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      for (const id of [9, 10]) await storage.write(checkpoint(id));
      assert.deepEqual(await open().list(), [9, 10]);
      assert.equal((await open().latest())?.checkpointId, 10);
      assert.equal((await open().read(9)).checkpointId, 9);
      await storage.release?.();
    },

    'refuses a checkpoint that is not newer than all others': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      await storage.write(checkpoint(5));
      for (const id of [4, 5]) await refused(storage.write(checkpoint(id)), /checkpoint 5 is there already/);
      assert.equal((await open().latest())?.createdAt, checkpoint(5).createdAt);
      await storage.write(checkpoint(6));
      await storage.release?.();
    },

    'keeps segments that checkpoints share': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      const segments: SegmentRef[] = [];
      for (const id of [1, 2, 3]) {
        segments.push(
          await putRows(storage, `rows ${id}/a`, [
            ['shared', id],
            [`only in ${id}`, id],
          ]),
        );
        await storage.write(checkpoint(id, segments));
      }
      await storage.release?.();
      const next = open();
      await next.claim(lineage('two'));
      const stored = (await next.latest())?.operators[0]?.segments ?? [];
      assert.deepEqual(stored, segments);
      const rows = await readRows(next, stored, { start: 0, end: 128 });
      const found = [...rows.rows('counts')].map(({ key, data }) => [key, data] as const);
      assert.deepEqual(
        new Map(found),
        new Map<unknown, unknown>([
          ['shared', 3],
          ['only in 1', 1],
          ['only in 2', 2],
          ['only in 3', 3],
        ]),
      );
      await next.release?.();
    },

    'keeps a segment for the next checkpoint where one is written without it': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      const segment = await putRows(storage, 'a', [['k', 1]]);
      await storage.write(checkpoint(1));
      await storage.write(checkpoint(2, [segment]));
      assert.equal((await storage.readSegment('a', { offset: 0, length: 1 })).byteLength, 1);
      await storage.release?.();
    },

    'keeps a checkpoint that holds nothing': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      const nothing = { ...checkpoint(1), operators: [], enumerators: [], pendingCommits: [] };
      await storage.write(nothing);
      assert.deepEqual(plain(await open().latest()), nothing);
      await storage.release?.();
    },

    'never replaces a segment': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      await storage.putSegment('a', [Uint8Array.of(1, 2), Uint8Array.of(3)]);
      await refused(storage.putSegment('a', [Uint8Array.of(9, 9, 9)]), /'a'/);
      assert.deepEqual([...(await storage.readSegment('a', { offset: 1, length: 2 }))], [2, 3]);
      await storage.release?.();
    },

    'refuses to read a segment that is not there, or not so long': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      await storage.putSegment('a', [Uint8Array.of(1, 2, 3)]);
      await refused(storage.readSegment('b', { offset: 0, length: 1 }), /'b'/);
      await refused(storage.readSegment('a', { offset: 2, length: 2 }), /'a'/);
      await storage.release?.();
    },

    'has no segment whose pieces fail half-way, and takes it when it is tried again': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      async function* pieces() {
        yield await Promise.resolve(Uint8Array.of(1));
        throw new Error('no more of it');
      }
      await refused(storage.putSegment('a', pieces()), /no more of it/);
      await refused(storage.readSegment('a', { offset: 0, length: 1 }), /'a'/);
      await storage.putSegment('a', [Uint8Array.of(7)]);
      assert.deepEqual([...(await storage.readSegment('a', { offset: 0, length: 1 }))], [7]);
      await storage.release?.();
    },

    'refuses a checkpoint one of whose segments is not there': async (open) => {
      const storage = open();
      await storage.claim(lineage('one'));
      const segment = await putRows(storage, 'a', [['k', 1]]);
      await refused(storage.write(checkpoint(1, [segment, { ...segment, id: 'b' }])), /'b'/);
      assert.equal(await open().latest(), undefined);
      await storage.write(checkpoint(1, [segment]));
      await storage.release?.();
    },
  });
}

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof CheckpointError, `a CheckpointError was expected, not ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

function lineage(jobId: string) {
  return { jobName: 'clicks', jobId };
}

function checkpoint(checkpointId: number, segments: readonly SegmentRef[] = []): CheckpointData {
  return {
    checkpointId,
    jobName: 'clicks',
    jobId: 'one',
    maxParallelism: 128,
    createdAt: 1_700_000_000_000 + checkpointId,
    operators: [
      {
        uid: 'count',
        name: 'Count per page',
        type: 'KeyedProcess',
        maxParallelism: 128,
        keyVersion: 1,
        states: [{ name: 'count', kind: 'value', hasTtl: false, version: 1 }],
        subtasks: [Uint8Array.of(1, 2, checkpointId), Uint8Array.of()],
        segments,
      },
    ],
    enumerators: [{ uid: 'in', bytes: Uint8Array.of(9) }],
    pendingCommits: [
      {
        uid: 'out',
        requests: [{ checkpointId, subtaskIndex: 1, committable: { id: 'tx', rows: 7n, at: new Date(0) } }],
      },
    ],
  };
}

/** Views of larger buffers are as good as copies. */
function plain(data: CheckpointData | undefined): CheckpointData | undefined {
  if (data === undefined) return undefined;
  return {
    ...data,
    operators: data.operators.map((operator) => ({
      ...operator,
      subtasks: operator.subtasks.map((bytes) => Uint8Array.from(bytes)),
    })),
    enumerators: data.enumerators.map(({ uid, bytes }) => ({ uid, bytes: Uint8Array.from(bytes) })),
  };
}

async function putRows(
  storage: CheckpointStorage,
  id: string,
  rows: readonly (readonly [string, number])[],
): Promise<SegmentRef> {
  const builder = new SegmentBuilder(128);
  for (const [key, value] of rows) builder.add('counts', key, rowId(key, undefined), encodeState(value));
  const content = builder.build();
  assert.ok(content !== undefined);
  const { chunks, ...described } = content;
  await storage.putSegment(id, chunks);
  return { id, ...described };
}
