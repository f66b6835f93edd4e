/** Jobs on disk state: what becomes of the directory over their runs. */
import { readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  heapStateBackend,
  ValueStateDescriptor,
  type CheckpointConfig,
  type CheckpointStorage,
  type StateBackend,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf, quiet, untilOnDisk } from '../support/conditions.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { environment, none, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

const KEYS = 50;

/** Counts what it gets, by key. */
function startJob(backend: StateBackend, config: Partial<CheckpointConfig> | undefined, parallelism = 1) {
  const log: string[] = [];
  const write = (message: string, fields?: object) => void log.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug: write, info: write, warn: write, error: write };
  const { env } = environment({ parallelism, logger, cancellationTimeoutMs: 1e9 });
  env.setStateBackend(backend);
  if (config !== undefined)
    env.enableCheckpointing({ intervalMs: 1000, storage: new MemoryStorage(), ...config });
  const source = new ScriptedSource<number>([[...scripted(100), PAUSE, ...scripted(100)]]);
  const sink = new CollectingSink<string>();
  env
    .fromSource(source, none, 'In')
    .setParallelism(1)
    .keyBy((n) => n % KEYS)
    .process<string>((context) => {
      const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
      return {
        processElement(_n, { currentKey }, out) {
          count.update(count.value()! + 1);
          out.collect(`${String(currentKey)} ${count.value()!}`);
        },
      };
    })
    .uid('count')
    .sinkTo(sink)
    .setParallelism(1)
    .uid('sink');
  return { client: env.executeAsync('counts'), source, sink, log };
}

/** Runs until the source pauses, and is suspended there with a checkpoint. */
async function untilPaused(backend: StateBackend, config: Partial<CheckpointConfig>, parallelism?: number) {
  const { client, source, log, sink } = startJob(backend, config, parallelism);
  await untilOnDisk(() => sink.values.length === 100);
  await client.stop(config.storage === undefined ? { savepoint: new MemoryStorage() } : {});
  return { log, source };
}

/** Runs the rest. */
async function rest(backend: StateBackend, config: Partial<CheckpointConfig>, parallelism?: number) {
  const { client, source, sink, log } = startJob(backend, config, parallelism);
  let hasEnded = false;
  const done = () => (hasEnded = true);
  client.result.then(done, done);
  await untilOnDisk(
    () => hasEnded,
    () => source.resume(),
  );
  await client.result;
  return { counts: [...sink.values].sort(), log };
}

const expected = Array.from({ length: KEYS }, (_, key) => [`${key} 3`, `${key} 4`])
  .flat()
  .sort();

/** Counts the reads of segments. */
function counting(storage: CheckpointStorage): { storage: CheckpointStorage; reads: () => number } {
  let reads = 0;
  const counted = new Proxy(storage, {
    get(target, name) {
      if (name === 'readSegment') reads++;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
  return { storage: counted, reads: () => reads };
}

describe('state on disk', () => {
  it('is taken back to the checkpoint: no segment is read, at another parallelism neither', async () => {
    const backend = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 1 });
    const { storage, reads } = counting(new MemoryStorage());
    await untilPaused(backend, { storage }, 2);
    const { client, source, sink, log } = startJob(backend, { storage }, 3);
    await untilOnDisk(
      () => sink.values.length > 0,
      () => source.resume(),
    );
    expect(reads()).toBe(0); // later on segments are merged
    await client.result;
    expect([...sink.values].sort()).toEqual(expected);
    expect(log.join('\n')).toContain('taken back to the restored checkpoint');
  });

  it.each<[string, (directory: string) => Promise<void>]>([
    ['gone', async (directory) => rm(directory, { recursive: true })],
    [
      'without its store (invariant 4)',
      async (directory) => rm(join(directory, 'store'), { recursive: true }),
    ],
    ['cut to nothing (invariant 4)', async (directory) => truncate(join(directory, 'store/data.mdb'), 0)],
    ['without its history', async (directory) => rm(join(directory, 'history.json'))],
    ['with a torn history', async (directory) => writeFile(join(directory, 'history.json'), '{"version": 1')],
    [
      'of another job',
      async (directory) => {
        await rm(directory, { recursive: true });
        await untilPaused(diskStateBackend({ directory }), { storage: new MemoryStorage() });
      },
    ],
    [
      'of a machine that was switched off',
      async (directory) => {
        const history = { version: 1, jobId: 'any', runs: [], oldest: 0, isClosed: false };
        await writeFile(join(directory, 'history.json'), JSON.stringify(history));
        await writeFile(join(directory, 'store/data.mdb'), 'torn');
      },
    ],
  ])('whose directory is %s is filled from the segments', async (_name, spoil) => {
    const directory = temporaryDirectory();
    const { storage, reads } = counting(new MemoryStorage());
    await untilPaused(diskStateBackend({ directory }), { storage }, 2);
    await spoil(directory);
    const { counts, log } = await rest(diskStateBackend({ directory, cacheBytes: 1 }), { storage }, 2);
    expect(counts).toEqual(expected);
    expect(reads()).toBeGreaterThan(0);
    expect(log.join('\n')).toContain('filled from the checkpoint');
  });

  it('goes by savepoint from the heap to disk and back', async () => {
    const disk = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 1 });
    const [first, second] = [new MemoryStorage(), new MemoryStorage()];
    const start = startJob(heapStateBackend(), {});
    await untilOnDisk(() => start.sink.values.length === 100);
    await start.client.stop({ savepoint: first });
    const onDisk = startJob(disk, { restore: { savepoint: first } }, 2);
    await untilOnDisk(
      () => onDisk.log.some((line) => line.includes('filled')) && onDisk.source.emitted === 0,
    );
    await onDisk.client.stop({ savepoint: second });
    expect((await rest(heapStateBackend(), { restore: { savepoint: second } }, 3)).counts).toEqual(expected);
  });

  it('needs no checkpoints; then nothing is left behind', async () => {
    const directory = temporaryDirectory();
    const backend = diskStateBackend({ directory, cacheBytes: 1 });
    for (let i = 0; i < 2; i++) {
      const { client, source, sink } = startJob(backend, undefined);
      let hasEnded = false;
      const done = () => (hasEnded = true);
      client.result.then(done, done);
      await untilOnDisk(
        () => hasEnded,
        () => source.resume(),
      );
      await client.result;
      expect(sink.values).toHaveLength(200);
      expect(sink.values.filter((count) => count.endsWith(' 4'))).toHaveLength(KEYS);
      expect(await readdir(directory)).toEqual([]);
    }
  });

  it('is one job’s at a time', async () => {
    const directory = temporaryDirectory();
    const first = startJob(diskStateBackend({ directory }), {});
    await untilOnDisk(() => first.sink.values.length === 100);
    const second = startJob(diskStateBackend({ directory }), {});
    expect((await failureOf(second.client.result)).message).toContain(
      `The state directory ${directory} is used by another job in this process. Give each job a directory of its own.`,
    );
    const link = join(temporaryDirectory(), 'link');
    await symlink(directory, link);
    const linked = startJob(diskStateBackend({ directory: link }), {});
    expect((await failureOf(linked.client.result)).message).toContain(`${link} is used by another job`);
    first.client.cancel();
    await failureOf(first.client.result);
    const third = startJob(diskStateBackend({ directory }), {});
    await untilOnDisk(() => third.sink.values.length === 100);
    third.client.cancel();
    await failureOf(third.client.result);
    await quiet();
  });

  it('is not that of another process, as long as that one is there', async () => {
    const directory = temporaryDirectory();
    const place = join(directory, `in-use.${process.ppid}.json`);
    await writeFile(place, JSON.stringify({ host: hostname(), pid: process.ppid }));
    const refused = startJob(diskStateBackend({ directory }), {});
    expect((await failureOf(refused.client.result)).message).toContain(
      `The state directory ${directory} is used by process ${process.ppid}.`,
    );
    expect(await readdir(directory)).toEqual([basename(place)]);
    await writeFile(place, JSON.stringify({ host: hostname(), pid: 2 ** 30 }));
    await untilPaused(diskStateBackend({ directory }), {});
    expect((await readdir(directory)).filter((name) => name.startsWith('in-use'))).toEqual([]);
  });

  it('is given back when a job is cancelled while it is filled', async () => {
    const directory = temporaryDirectory();
    const storage = new MemoryStorage();
    await untilPaused(heapStateBackend(), { storage });
    const { storage: counted, reads } = counting(storage);
    const cancelled = startJob(diskStateBackend({ directory }), { storage: counted });
    await untilOnDisk(() => reads() > 0);
    cancelled.client.cancel();
    await failureOf(cancelled.client.result);
    expect((await rest(diskStateBackend({ directory }), { storage })).counts).toEqual(expected);
  });

  it('says where it cannot be, and what to do', async () => {
    const file = join(temporaryDirectory(), 'file');
    await writeFile(file, '');
    const directory = join(file, 'state');
    const { client } = startJob(diskStateBackend({ directory }), {});
    expect((await failureOf(client.result)).message).toBe(
      `The state on disk cannot be opened: ENOTDIR: not a directory, mkdir '${directory}'. ` +
        'Something in this path is no directory: choose another one; the job can then be started again from its newest checkpoint.',
    );
  });

  it('refuses a cache of nothing', () => {
    expect(() => diskStateBackend({ directory: 'x', cacheBytes: 0 })).toThrow(
      /cacheBytes must be at least 1, got 0/,
    );
  });
});

describe('a checkpoint whose rows cannot be read', () => {
  it('checkpoint driver invariant 5: fails the run, also where checkpoints may fail', async () => {
    const heap = heapStateBackend();
    const backend: StateBackend = {
      name: 'broken',
      open: async (context) => {
        const store = await heap.open(context);
        return {
          ...store,
          subtask: async (options) => {
            const rows = await store.subtask(options);
            rows.snapshot = () => () => Promise.reject(new Error('cannot be read'));
            return rows;
          },
        };
      },
    };
    const { client, sink } = startJob(backend, { tolerableFailures: 10 });
    await untilOnDisk(() => sink.values.length === 100);
    void client.triggerSavepoint(new MemoryStorage()).catch(() => undefined);
    expect((await failureOf(client.result)).message).toContain('cannot be read');
  });
});
