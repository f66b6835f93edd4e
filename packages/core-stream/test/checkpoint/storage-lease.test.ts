import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlobCheckpointStorage } from '../../src/checkpoint/blob-checkpoint-storage.js';
import type { LeaseEnvironment } from '../../src/checkpoint/lease-environment.js';
import { CheckpointError } from '../../src/errors.js';
import { turn } from '../../src/testing/conditions.js';
import { MemoryBlobStore } from '../../src/testing/memory-blob-store.js';
import {
  checkpointOf,
  contentsOf,
  historyOf,
  lineage,
  processOn,
  putSegmentOf,
} from '../support/checkpoints.js';
import { failureOf } from '../support/conditions.js';
import { haveOrder, SteppedStores, type Call } from '../support/stepped-stores.js';

/** What some processes do to one storage, step by step. */
interface World {
  readonly stores: SteppedStores;
  /** The histories of checkpoints that their writers have taken for complete. */
  readonly completed: string[];
}

/** `name` claims the storage, goes on from what is there, and writes `count` checkpoints. */
async function takeOver(world: World, name: string, count: number): Promise<void> {
  const storage = storageOf(world, name);
  await storage.claim(lineage);
  const latest = await storage.latest();
  await goOn(
    world,
    name,
    storage,
    latest?.checkpointId ?? 0,
    latest === undefined ? '' : historyOf(latest),
    count,
  );
}

function storageOf(world: World, name: string): BlobCheckpointStorage {
  // The same in all runs, so that equal situations are known as equal.
  const self = () => Promise.resolve({ host: name, pid: 1, processStart: name });
  const environment = { ...processOn(name), self };
  return new BlobCheckpointStorage(world.stores.of(name), { retained: 1, environment });
}

async function goOn(
  world: World,
  name: string,
  storage: BlobCheckpointStorage,
  from: number,
  history: string,
  count: number,
): Promise<void> {
  for (let id = from + 1; id <= from + count; id++) {
    history += `>${name}${id}`;
    const segment = await putSegmentOf(storage, `${name}-${id}`, history);
    await storage.write(checkpointOf(id, history, [segment]));
    world.completed.push(history);
  }
}

/** 'A' has written checkpoint 1; then all processes run, each as far as its steps are chosen. */
async function start(names: readonly string[], count: number): Promise<World> {
  const world: World = { stores: new SteppedStores(), completed: [] };
  const a = storageOf(world, 'A');
  const beginning = a.claim(lineage).then(() => goOn(world, 'A', a, 0, '', 1));
  await world.stores.runFreely(beginning);
  await world.stores.begin('A', () => goOn(world, 'A', a, 1, '>A1', Math.max(1, count)));
  for (const name of names.slice(1)) await world.stores.begin(name, () => takeOver(world, name, count));
  return world;
}

/** What a process that comes later finds, and can do. */
async function check({ stores, completed }: World): Promise<void> {
  const store = new MemoryBlobStore();
  for (const [name, bytes] of stores.objects) store.objects.set(name, bytes);
  const options = { environment: processOn('Z') };
  const reader = new BlobCheckpointStorage(store, options);
  const before = await reader.latest();
  const storage = new BlobCheckpointStorage(store, options);
  await storage.claim(lineage);
  const latest = await storage.latest();
  expect(latest).toEqual(before);
  expect(latest).toBeDefined();
  const history = historyOf(latest!);
  // One history: whatever anybody has acted on is in it.
  for (const done of completed) expect(`${history}>`).toContain(`${done}>`);
  for (const id of await storage.list()) {
    const checkpoint = await storage.read(id);
    expect(await contentsOf(storage, checkpoint)).toEqual([historyOf(checkpoint)]);
  }
  const next = latest!.checkpointId + 1;
  await storage.write(checkpointOf(next, 'Z'));
  expect(historyOf((await storage.latest())!)).toBe('Z');
}

describe('the ownership of a storage', () => {
  it.each([
    ['a checkpoint against a claim', 0, Infinity],
    ['a checkpoint against a claim and a checkpoint, with two changes from one to the other', 1, 2],
    ['two checkpoints against a claim and two checkpoints, with one change', 2, 1],
  ])(
    'lease invariants 1 to 4: two processes have one history, in every order of the steps of %s',
    async (_name, count, changes) => {
      const seen = new Map<string, number>();
      const checked = new Set<string>();
      const replay = async (schedule: readonly string[]): Promise<World> => {
        const world = await start(['A', 'B'], count);
        for (const name of schedule) await world.stores.step(name);
        return world;
      };
      /** `last` is what the last step was. */
      const visit = async (
        world: World,
        schedule: readonly string[],
        last: Call | undefined,
        changesLeft: number,
      ): Promise<void> => {
        const { stores, completed } = world;
        const running = schedule.at(-1) ?? '';
        const waiting = stores.waiting();
        const signature = `${stores.signature()} ${running}`;
        if ((seen.get(signature) ?? -1) >= changesLeft) return;
        seen.set(signature, changesLeft);
        const contents = `${stores.contents()} ${completed.join(' ')}`;
        if (!checked.has(contents)) await check(world);
        checked.add(contents);
        const choices = waiting
          .map((name) => ({
            name,
            left: changesLeft - (name !== running && waiting.includes(running) ? 1 : 0),
          }))
          .filter(({ left }) => left >= 0)
          // Of two orders that make no difference the one in which A comes first is enough.
          .filter(({ name }) => changes < Infinity || name >= running || haveOrder(last!, stores.next(name)));
        for (const [i, { name, left }] of choices.entries()) {
          const next = i === 0 ? world : await replay(schedule);
          const call = await next.stores.step(name);
          await visit(next, [...schedule, name], call, left);
        }
      };
      await visit(await replay([]), [], undefined, changes);
      expect(checked.size).toBeGreaterThan(20);
    },
    240_000,
  );

  it('lease invariants 1 to 4: three processes have one history, in random orders', async () => {
    const schedules = fc.array(fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.integer({ min: 1, max: 12 })), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(schedules, async (schedule) => {
        const world = await start(['A', 'B', 'C'], 2);
        for (const [name, steps] of schedule) for (let i = 0; i < steps; i++) await world.stores.step(name);
        await check(world);
      }),
      { numRuns: 200 },
    );
  });

  it('goes to one of two living processes that claim at the same time, in every order of their steps', async () => {
    const seen = new Set<string>();
    const living: LeaseEnvironment = {
      ...processOn('A'),
      self: () => Promise.resolve({ host: 'A', pid: 1, processStart: 'a' }),
      isAlive: () => Promise.resolve(true),
    };
    const visit = async (schedule: readonly string[]): Promise<void> => {
      const stores = new SteppedStores();
      const claimed: string[] = [];
      for (const [i, name] of ['A', 'B'].entries()) {
        const self = { host: 'one', pid: i, processStart: name };
        const environment = { ...living, self: () => Promise.resolve(self) };
        const storage = new BlobCheckpointStorage(stores.of(name), { environment });
        await stores.begin(name, async () => {
          await storage.claim(lineage);
          claimed.push(name);
        });
      }
      for (const name of schedule) await stores.step(name);
      const waiting = stores.waiting();
      const signature = stores.signature();
      expect(claimed.length).toBeLessThanOrEqual(1);
      if (waiting.length === 0) expect(claimed.length).toBe(1);
      if (seen.has(signature)) return;
      seen.add(signature);
      for (const name of waiting) await visit([...schedule, name]);
    };
    await visit([]);
    expect(seen.size).toBeGreaterThan(50);
  }, 240_000);

  const dead = { ...processOn('A'), isAlive: () => Promise.resolve(false) };
  const alive = { ...dead, isAlive: () => Promise.resolve(true) };
  const unknown = { ...dead, isAlive: () => Promise.resolve(undefined) };
  const other = { host: 'A', pid: 77, processStart: 'other' };

  it.each<[string, string, LeaseEnvironment, number, RegExp | undefined]>([
    ['a dead process on this host gives way at once', 'A', dead, 0, undefined],
    [
      'a living process on this host never gives way',
      'A',
      alive,
      1e9,
      /in use by process 77 on A.*Stop that process, or/,
    ],
    ['a process that may live gives way after the lease', 'A', unknown, 60_000, undefined],
    [
      'a process that may live does not give way before',
      'A',
      unknown,
      59_999,
      /taken for dead after 60000 ms/,
    ],
    ['a silent process on another host gives way', 'B', alive, 60_000, undefined],
    [
      'a process on another host that was heard of does not',
      'B',
      dead,
      59_999,
      /in use by process 77 on B.*59999 ms ago/,
    ],
  ])('%s', async (_name, host, environment, silentMs, message) => {
    const store = new MemoryBlobStore();
    const holder = { ...environment, self: () => Promise.resolve({ ...other, host }) };
    await new BlobCheckpointStorage(store, { environment: holder }).claim(lineage);
    const later = { ...environment, now: () => environment.now() + silentMs };
    const claim = new BlobCheckpointStorage(store, { environment: later }).claim(lineage);
    if (message === undefined) {
      await claim;
      return;
    }
    const error = await failureOf(claim);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ details: { holderPid: 77, holderHost: host } });
  });

  it('gives signs of life until it is released', async () => {
    const store = new MemoryBlobStore();
    let sign: (() => void) | undefined;
    let now = 1_000_000;
    const environment: LeaseEnvironment = {
      ...unknown,
      now: () => now,
      every: (intervalMs, callback) => {
        expect(intervalMs).toBe(20_000);
        sign = callback;
        return () => (sign = undefined);
      },
    };
    const storage = new BlobCheckpointStorage(store, { environment });
    await storage.claim(lineage);
    for (let i = 0; i < 10; i++) {
      now += 20_000;
      sign?.();
    }
    await turn();
    const claimLater = () => {
      const self = () => Promise.resolve(other);
      const later = { ...environment, self, now: () => now + 59_000 };
      return new BlobCheckpointStorage(store, { environment: later }).claim(lineage);
    };
    while (!ownerIn(store).includes(new Date(now).toISOString())) await turn();
    expect(await failureOf(claimLater())).toBeInstanceOf(CheckpointError);
    await storage.release();
    expect(sign).toBeUndefined();
    await claimLater();
  });

  it('is lost to a newer owner: the old one is told at its next checkpoint, and by whom', async () => {
    const store = new MemoryBlobStore();
    const old = new BlobCheckpointStorage(store, { environment: processOn('A') });
    await old.claim(lineage);
    await old.write(checkpointOf(1));
    await new BlobCheckpointStorage(store, { environment: processOn('B') }).claim(lineage);
    const error = await failureOf(old.write(checkpointOf(2)));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toBe(
      'memory was taken over by process 1 on B, so another process runs this job: this one must not go on. ' +
        'Stop one of them; where both are wanted give each a directory of its own.',
    );
    expect(await old.list()).toEqual([1]);
  });

  it('is lost to a newer owner also while the old one looks whether it is', async () => {
    const store = new MemoryBlobStore();
    const old = new BlobCheckpointStorage(store, { environment: processOn('A') });
    await old.claim(lineage);
    await old.write(checkpointOf(1));
    const put = store.put.bind(store);
    const get = store.get.bind(store);
    store.put = (name, ...rest) => {
      if (name.includes('MANIFEST')) {
        store.get = async (object, range) => {
          store.get = get;
          await new BlobCheckpointStorage(store, { environment: processOn('B') }).claim(lineage);
          return get(object, range);
        };
      }
      return put(name, ...rest);
    };
    expect(await failureOf(old.write(checkpointOf(2)))).toMatchObject({
      message: expect.stringContaining('taken over by process 1 on B') as string,
      details: { newerOwner: 2 },
    });
  });

  it('is lost where the storage was removed and another owner has begun it anew, under the same number', async () => {
    const store = new MemoryBlobStore();
    let sign: () => void = () => undefined;
    const every = (_intervalMs: number, callback: () => void) => {
      sign = callback;
      return () => undefined;
    };
    const old = new BlobCheckpointStorage(store, { environment: { ...processOn('A'), every } });
    await old.claim(lineage);
    await old.write(checkpointOf(1));
    store.objects.clear();
    const owner = new BlobCheckpointStorage(store, { environment: processOn('B') });
    await owner.claim(lineage);
    const record = ownerIn(store);
    sign();
    expect((await failureOf(old.write(checkpointOf(2)))).message).toContain('taken over by process 1 on B');
    await old.release();
    expect(ownerIn(store)).toBe(record);
    await owner.write(checkpointOf(1));
    expect(await owner.list()).toEqual([1]);
  });

  it('is refused to one that was replaced before it could say what it goes on from', async () => {
    const store = new MemoryBlobStore();
    const first = new BlobCheckpointStorage(store, { environment: processOn('A') });
    const put = store.put.bind(store);
    store.put = async (name, ...rest) => {
      const isNew = await put(name, ...rest);
      if (name !== 'job.json') return isNew;
      store.put = put;
      await new BlobCheckpointStorage(store, { environment: processOn('B') }).claim(lineage);
      return isNew;
    };
    expect((await failureOf(first.claim(lineage))).message).toContain('taken over by process 1 on B');
  });

  it('lease invariant 3: holds for who looks while the owner changes', async () => {
    const store = new MemoryBlobStore();
    const old = new BlobCheckpointStorage(store, { environment: processOn('A') });
    await old.claim(lineage);
    await old.write(checkpointOf(1));
    const get = store.get.bind(store);
    store.get = async (name, range) => {
      if (name === 'owners/1.json') {
        store.get = get;
        await new BlobCheckpointStorage(store, { environment: processOn('B') }).claim(lineage);
        await store.put('chk-2/MANIFEST-1.json', [Buffer.from('of the old owner, too late')]);
      }
      return get(name, range);
    };
    expect(await new BlobCheckpointStorage(store).list()).toEqual([1]);
  });

  it.each(['nothing', '{"owner":1}', 'null'])('cannot be told from a record that says %s', async (text) => {
    const store = new MemoryBlobStore();
    await new BlobCheckpointStorage(store, { environment: processOn('A') }).claim(lineage);
    await store.put('owners/1.json', [Buffer.from(text)]);
    const error = await failureOf(new BlobCheckpointStorage(store).claim(lineage));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(
      /memory\/owners\/1.json cannot be read: .* which checkpoints count. Restore it from a copy/,
    );
  });

  it('ends although the release cannot be noted', async () => {
    const store = new MemoryBlobStore();
    const first = new BlobCheckpointStorage(store);
    await first.claim(lineage);
    const put = store.put.bind(store);
    store.put = () => Promise.reject(new Error('ENOSPC'));
    await first.release();
    store.put = put;
    await new BlobCheckpointStorage(store).claim(lineage);
  });
});

function ownerIn(store: MemoryBlobStore): string {
  return Buffer.from(store.objects.get('owners/1.json')!).toString();
}
