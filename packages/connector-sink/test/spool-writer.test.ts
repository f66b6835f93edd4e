import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { SpoolFile } from '../src/spool/spool-file.js';
import { FIRST_DAY, flights } from './support/sink-harness.js';
import { bytesOnDisk, newWriter } from './support/spool-writers.js';

describe('SpoolWriter', () => {
  it('returns a committable that tells all about its file', async () => {
    const { writer, directory } = await newWriter();
    writer.write({ date: FIRST_DAY, origin: 'SFO', delay: 3 });
    writer.write({ date: FIRST_DAY + 86_400_000, origin: 'LAX', delay: null });
    await writer.flush();
    const [committable, ...others] = await writer.prepareCommit();
    expect(others).toEqual([]);
    const text = await readFile(directory.resolve(committable?.file ?? ''), 'utf8');
    expect(text).toBe(
      `{"__time":${FIRST_DAY},"origin":"SFO","delay":3}\n` +
        `{"__time":${FIRST_DAY + 86_400_000},"origin":"LAX"}\n`,
    );
    expect(committable).toMatchObject({
      version: 1,
      file: 'sink/job/s0-id-0.ndjson',
      fileNumber: 0,
      rows: 2,
      bytes: text.length,
      sha256: createHash('sha256').update(text).digest('hex'),
      commitId: 'id-0',
      minTime: FIRST_DAY,
      maxTime: FIRST_DAY + 86_400_000,
      chunks: [{ start: FIRST_DAY, end: FIRST_DAY + 2 * 86_400_000 }],
    });
    expect(JSON.parse(JSON.stringify(committable))).toEqual(committable);
    await directory.verify(committable!);
  });

  it('makes content and directory entry durable before it returns them (invariant 1)', async () => {
    const { writer, directory } = await newWriter();
    const events: string[] = [];
    const finish = vi.spyOn(SpoolFile.prototype, 'finish').mockImplementationOnce(async function (
      this: SpoolFile,
    ) {
      finish.mockRestore();
      const sha256 = await this.finish();
      events.push('content');
      return sha256;
    });
    const sync = directory.sync.bind(directory);
    vi.spyOn(directory, 'sync').mockImplementationOnce(async () => {
      await sync();
      events.push('entry');
    });
    writer.write(flights(1)[0]!);
    await writer.prepareCommit();
    expect(events).toEqual(['content', 'entry']);
  });

  it('begins another file at each barrier, with a commit id of its own (invariant 2)', async () => {
    const { writer } = await newWriter();
    const files: (string | null)[] = [];
    for (const row of flights(2)) {
      writer.write(row);
      for (const { commitId, rows } of await writer.prepareCommit()) files.push(`${commitId}: ${rows}`);
    }
    expect(files).toEqual(['id-0: 1', 'id-1: 1']);
    expect(await writer.prepareCommit()).toEqual([]);
  });

  it('begins another file when one is large enough, and loses no row', async () => {
    const { writer, directory, ledger } = await newWriter({ maxFileBytes: 5_000 });
    for (const row of flights(500)) writer.write(row);
    const committables = await writer.prepareCommit();
    expect(committables.length).toBeGreaterThan(4);
    expect(committables.map(({ fileNumber }) => fileNumber)).toEqual(committables.map((_, index) => index));
    expect(committables.reduce((sum, { rows }) => sum + rows, 0)).toBe(500);
    for (const committable of committables) await directory.verify(committable);
    expect(ledger.bytes).toBe(await bytesOnDisk(directory));
  });

  it('asks to wait while too much is not on disk yet (invariant 4)', async () => {
    const { writer } = await newWriter({ maxBufferedBytes: 2_000 });
    expect(writer.backPressure()).toBeUndefined();
    for (const row of flights(200)) writer.write(row);
    const wait = writer.backPressure();
    expect(wait).toBeInstanceOf(Promise);
    await wait;
    expect(writer.backPressure()).toBeUndefined();
    await writer.close();
  });

  it('fails the job with the record, the column and the reason', async () => {
    const { writer } = await newWriter();
    expect(() => {
      writer.write({ date: FIRST_DAY, origin: 'SFO', delay: 1.5 });
    }).toThrow(/datasource 'flights' cannot be written: column 'delay': 1.5 is not an integer/);
  });

  it('hands invalid records over where it is told to, and goes on', async () => {
    const rejected: string[] = [];
    const { writer } = await newWriter({
      onInvalidRecord: ({ record, column, reason }) => rejected.push(`${record.origin} ${column}: ${reason}`),
    });
    writer.write({ date: FIRST_DAY, origin: 'SFO', delay: Number.NaN });
    writer.write({ date: FIRST_DAY, origin: 'LAX', delay: 1 });
    expect((await writer.prepareCommit()).map(({ rows }) => rows)).toEqual([1]);
    expect(rejected).toEqual(['SFO delay: NaN is not an integer']);
  });

  it('deletes what was written since the last barrier when it is closed', async () => {
    const { writer, directory, ledger } = await newWriter({ maxFileBytes: 2_000 });
    for (const row of flights(10)) writer.write(row);
    const kept = await writer.prepareCommit();
    for (const row of flights(200)) writer.write(row);
    await writer.flush();
    await writer.close();
    expect([...(await directory.list()).keys()]).toEqual(kept.map(({ file }) => file));
    expect(ledger.bytes).toBe(await bytesOnDisk(directory));
  });

  it('stops at a failed append, and says where, how much is free and what to do (invariant 3)', async () => {
    const { writer, directory } = await newWriter();
    const append = vi
      .spyOn(SpoolFile.prototype, 'append')
      .mockRejectedValueOnce(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
    onTestFinished(() => {
      append.mockRestore();
    });
    for (const row of flights(20)) writer.write(row);
    await expect(writer.flush()).rejects.toMatchObject({ code: 'DRUID_SINK_SPOOL', retryable: true });
    await expect(writer.prepareCommit()).rejects.toThrow(
      /cannot be written: ENOSPC, \d+ MiB free\. Free space there/,
    );
    await expect(writer.backPressure()).rejects.toThrow(directory.path);
    expect(() => {
      writer.write(flights(1)[0]!);
    }).toThrow(/ENOSPC/);
    expect(append).toHaveBeenCalledTimes(1);
  });

  it('does not write into a file that exists', async () => {
    const { writer, directory } = await newWriter({ createId: () => 'same' });
    writer.write(flights(1)[0]!);
    await writer.prepareCommit();
    writer.write(flights(1)[0]!);
    await expect(writer.prepareCommit()).rejects.toThrow(/EEXIST/);
    expect((await readdir(directory.path)).length).toBe(1);
  });
});
