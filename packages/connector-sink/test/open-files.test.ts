import { appendFile, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { SpoolCommittable } from '../src/index.js';
import type { OpenSpoolFile } from '../src/spool/open-rows.js';
import { SpoolDirectory } from '../src/spool/spool-directory.js';
import type { SpoolWriter } from '../src/spool/spool-writer.js';
import { SpoolLedger } from '../src/spool/spool-ledger.js';
import { decodeSpoolFile, type SpoolCompression } from '../src/spool/spool-encoding.js';
import { FIRST_DAY, flights, flightSchema, temporaryDirectory, type Flight } from './support/sink-harness.js';
import { bytesOnDisk, newWriter } from './support/spool-writers.js';

/** What a checkpoint stores, it stores as data. */
const stored = <V>(value: V) => JSON.parse(JSON.stringify(value)) as V;

async function rowsOf(directory: SpoolDirectory, { file }: SpoolCommittable): Promise<string[]> {
  const path = directory.resolve(file);
  return (await decodeSpoolFile(path, await readFile(path))).split('\n').slice(0, -1);
}

describe('SpoolWriter with files open over barriers', () => {
  it('commits a file at the first barrier at which it has enough rows', async () => {
    const { writer, directory } = await newWriter({ minCommitRows: 5 });
    const [a, b] = [flights(3), flights(3, 3)];
    for (const row of a) writer.write(row);
    expect(await writer.prepareCommit()).toEqual([]);
    const [open] = stored(writer.snapshotState());
    expect(open).toMatchObject({
      version: 1,
      rows: 3,
      commitId: 'id-0',
      bytes: await bytesOnDisk(directory),
    });
    for (const row of b) writer.write(row);
    const committables = await writer.prepareCommit();
    expect(committables.map(({ rows, commitId }) => [rows, commitId])).toEqual([[6, 'id-0']]);
    expect(writer.snapshotState()).toEqual([]);
    await directory.verify(committables[0]!);
  });

  it('commits by bytes, and by age where rows stay few', async () => {
    const { writer, clock } = await newWriter({ minCommitBytes: 300, maxCommitAgeMs: 10_000 });
    for (const row of flights(10)) writer.write(row);
    expect((await writer.prepareCommit()).map(({ rows }) => rows)).toEqual([10]);
    writer.write(flights(1)[0]!);
    clock.advance(9_999);
    expect(await writer.prepareCommit()).toEqual([]);
    clock.advance(1);
    expect((await writer.prepareCommit()).map(({ rows }) => rows)).toEqual([1]);
  });

  it('commits what there is when the disk has its share', async () => {
    const { writer } = await newWriter({ minCommitRows: 100, ledger: new SpoolLedger(30) });
    writer.write(flights(1)[0]!);
    await writer.flush();
    expect((await writer.prepareCommit()).map(({ rows }) => rows)).toEqual([1]);
  });

  it('refuses states of another mode', async () => {
    const restored = [{ version: 1, kind: 'watermark' }] as unknown as OpenSpoolFile[];
    await expect(newWriter({ restored })).rejects.toThrow(/it was in another mode/);
  });

  it('does not wait for an age when the clock was set back', async () => {
    const { writer, clock } = await newWriter({ minCommitRows: 100 });
    writer.write(flights(1)[0]!);
    vi.spyOn(clock, 'now').mockReturnValue(FIRST_DAY - 1);
    expect((await writer.prepareCommit()).map(({ rows }) => rows)).toEqual([1]);
  });

  it.each([
    ['a savepoint', false, true],
    ['the end of input', true, false],
  ])('leaves nothing open at %s (invariant 5)', async (_, endOfInput, isSavepoint) => {
    const { writer } = await newWriter({ minCommitRows: 100 });
    for (const row of flights(3)) writer.write(row);
    await writer.prepareCommit();
    await writer.flush(endOfInput);
    expect((await writer.prepareCommit(2, isSavepoint)).map(({ rows }) => rows)).toEqual([3]);
    expect(writer.snapshotState()).toEqual([]);
  });

  it('carries on with what the checkpoint had, in a copy, and drops what came after it', async () => {
    const first = await newWriter({ minCommitRows: 5 });
    for (const row of flights(3)) first.writer.write(row);
    await first.writer.prepareCommit();
    const restored = stored(first.writer.snapshotState());
    for (const row of flights(40, 3)) first.writer.write(row); // after the checkpoint
    await first.writer.flush();
    const { writer, directory } = await newWriter({
      minCommitRows: 5,
      restored,
      directory: first.directory,
    });
    for (const row of flights(2, 3)) writer.write(row);
    await first.writer.flush(); // the process before is not dead
    const [committable] = stored(await writer.prepareCommit());
    expect(committable).toMatchObject({
      rows: 5,
      commitId: 'id-0',
      copyOf: restored[0]!.file,
      minTime: FIRST_DAY,
      maxTime: FIRST_DAY + 4_000,
      chunks: [{ start: FIRST_DAY, end: FIRST_DAY + 86_400_000 }],
    });
    await directory.verify(committable!);
    expect((await rowsOf(directory, committable!)).length).toBe(5);
    expect((await readFile(directory.resolve(restored[0]!.file), 'utf8')).split('\n').length).toBe(44);
  });

  it('commits files of more subtasks than there are, and of another schema, as they are', async () => {
    const restored: OpenSpoolFile[] = [];
    const { directory } = await newWriter();
    for (const count of [1, 2, 3]) {
      const { writer } = await newWriter({ minCommitRows: 100, directory });
      for (const row of flights(count)) writer.write(row);
      await writer.prepareCommit();
      restored.push(...stored(writer.snapshotState()));
    }
    const next = await newWriter({ minCommitRows: 100, directory, restored });
    expect((await next.writer.prepareCommit()).map(({ rows }) => rows)).toEqual([2, 3]);
    expect(next.writer.snapshotState().map(({ rows }) => rows)).toEqual([1]);
    const other = await newWriter({
      minCommitRows: 100,
      directory,
      restored: restored.slice(0, 1),
      schema: { ...flightSchema('flights'), segmentGranularity: 'month' },
    });
    const [old] = await other.writer.prepareCommit();
    expect(old?.dataSchema.granularitySpec.segmentGranularity).toBe('DAY');
  });

  it('keeps on disk what a checkpoint names, and deletes the rest, when it is closed', async () => {
    const { writer, directory, ledger } = await newWriter({ minCommitRows: 50, maxFileBytes: 1_000 });
    writer.write(flights(1)[0]!);
    await writer.prepareCommit();
    const named = writer.snapshotState().map(({ file }) => file);
    for (const row of flights(100)) writer.write(row); // ends the named file, and more
    await writer.flush();
    await writer.close();
    expect([...(await directory.list()).keys()]).toEqual(named);
    expect(ledger.bytes).toBe(await bytesOnDisk(directory));
  });

  it.each(['gone', 'shorter', 'changed'])('refuses an open file that is %s', async (how) => {
    const { writer, directory } = await newWriter({ minCommitRows: 50 });
    for (const row of flights(3)) writer.write(row);
    await writer.prepareCommit();
    const restored = stored(writer.snapshotState());
    const path = directory.resolve(restored[0]!.file);
    if (how === 'gone') await rm(path);
    if (how === 'shorter') await writeFile(path, '{}');
    if (how === 'changed') await writeFile(path, 'x'.repeat(restored[0]!.bytes));
    await expect(newWriter({ directory, restored })).rejects.toMatchObject({
      code: 'DRUID_SINK_CHECKPOINT',
      message: expect.stringContaining(path) as string,
    });
  });

  it('notices at the barrier that its directory is gone, or that something else writes there', async () => {
    const one = await newWriter();
    for (const row of flights(50)) one.writer.write(row);
    await one.writer.flush();
    await rm(one.directory.path, { recursive: true });
    await expect(one.writer.prepareCommit()).rejects.toMatchObject({
      code: 'DRUID_SINK_SPOOL',
      retryable: true,
      message: expect.stringContaining('Something has removed it') as string,
    });
    const two = await newWriter();
    two.writer.write(flights(1)[0]!);
    await two.writer.flush();
    await appendFile(`${two.directory.path}/${(await readdir(two.directory.path))[0]}`, 'x');
    await expect(two.writer.prepareCommit()).rejects.toThrow(/CHANGED.*Something else writes there/);
  });

  it('notices that an entry is gone which it cannot make durable', async () => {
    const { writer, directory } = await newWriter();
    vi.spyOn(directory, 'sync').mockRejectedValueOnce(Object.assign(new Error('io'), { code: 'EIO' }));
    writer.write(flights(1)[0]!);
    await expect(writer.prepareCommit()).rejects.toThrow(/cannot be made durable: EIO/);
  });

  it('commits every row once, whatever crashes, is given up or rescaled', async () => {
    const root = await temporaryDirectory();
    let run = 0;
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), rows: fc.nat(30) }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('checkpoint', 'checkpoint', 'given-up') }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('savepoint') }) },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constantFrom('fail' as const, 'crash' as const),
          parallelism: fc.integer({ min: 1, max: 3 }),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 30, size: 'max' }),
        fc.constantFrom<SpoolCompression>('none', 'gzip'),
        async (steps, compression) => {
          const job = new JobModel(
            new SpoolDirectory(root, { operatorUid: 'o', jobId: `${run++}` }),
            compression,
          );
          await job.start(1);
          for (const each of steps) {
            if ('rows' in each) job.write(each.rows);
            else if ('parallelism' in each) await job.start(each.parallelism, each.do);
            else await job.barrier(each.do);
          }
          await job.barrier('end');
          expect(job.committed.sort((x, y) => x - y)).toEqual(
            Array.from({ length: job.written }, (_, i) => i),
          );
          expect(await job.directory.list()).toEqual(new Map());
        },
      ),
      { numRuns: 25 },
    );
  });
});

/** The runtime and the committer, as far as the spool meets them. A row is a number: its time. */
class JobModel {
  readonly directory: SpoolDirectory;
  readonly committed: number[] = [];
  written = 0;
  readonly #compression: SpoolCompression;
  #writers: SpoolWriter<Flight>[] = [];
  #pending: SpoolCommittable[] = [];
  #checkpoint: { readonly written: number; readonly states: readonly OpenSpoolFile[] } = {
    written: 0,
    states: [],
  };

  constructor(directory: SpoolDirectory, compression: SpoolCompression) {
    this.directory = directory;
    this.#compression = compression;
  }

  /** From the last checkpoint. What the writers before have buffered is on disk, or, where they were closed, nowhere. */
  async start(parallelism: number, after?: 'fail' | 'crash'): Promise<void> {
    for (const writer of this.#writers) await (after === 'fail' ? writer.close() : writer.flush());
    const { written, states } = this.#checkpoint;
    await this.directory.prepare();
    const named = new Set(states.map(({ file }) => file));
    for (const file of (await this.directory.list()).keys()) {
      if (!named.has(file)) await this.directory.remove(file);
    }
    this.written = written;
    this.#pending = [];
    this.#writers = [];
    for (let index = 0; index < parallelism; index++) {
      const { writer } = await newWriter({
        directory: this.directory,
        compression: this.#compression,
        minCommitRows: 40,
        maxFileBytes: 3_000,
        restored: states.filter((_, state) => state % parallelism === index),
      });
      this.#writers.push(writer);
    }
  }

  write(rows: number): void {
    for (let row = 0; row < rows; row++) {
      const writer = this.#writers[this.written % this.#writers.length]!;
      writer.write({ date: FIRST_DAY + this.written++ * 1_000, origin: 'SFO', delay: null });
    }
  }

  async barrier(kind: string): Promise<void> {
    const states: OpenSpoolFile[] = [];
    for (const writer of this.#writers) {
      await writer.flush(kind === 'end');
      this.#pending.push(...stored(await writer.prepareCommit(1, kind === 'savepoint')));
      states.push(...stored(writer.snapshotState()));
    }
    if (kind === 'given-up') return;
    this.#checkpoint = { written: this.written, states };
    for (const committable of this.#pending.splice(0)) {
      await this.directory.verify(committable);
      const rows = await rowsOf(this.directory, committable);
      expect(rows.length).toBe(committable.rows);
      for (const text of rows) {
        const row = JSON.parse(text) as { __time: number };
        this.committed.push((row.__time - FIRST_DAY) / 1_000);
      }
      await this.directory.remove(committable.file);
      if (committable.copyOf !== undefined) await this.directory.remove(committable.copyOf);
    }
  }
}
