import { describe, expect, it } from 'vitest';
import { FileSink, type CommittedFiles, type NdjsonSinkOptions } from '../../src/connectors/file-sink.js';
import type { CommitRequest, Sink, SinkWriter } from '../../src/connectors/sink.js';
import type { FileCommittable, OpenFileState } from '../../src/connectors/file-sink-writer.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { failureOf } from '../support/conditions.js';
import { MemoryFileSystem } from '../support/memory-file-system.js';
import { sinkContext, writerContext } from '../support/sink-runs.js';

type Options = Partial<Omit<NdjsonSinkOptions<unknown>, 'fileSystem'>>;

/** One writer and its committer. */
async function open(
  options: Options = {},
  fileSystem = new MemoryFileSystem(),
  restored: OpenFileState[] = [],
  jobId = '0123456789abcdef',
) {
  const clock = new ManualClock();
  const sink: Sink<unknown, FileCommittable, OpenFileState> = FileSink.forNdjson<unknown>({
    directory: '/data/out',
    ...options,
    fileSystem,
  });
  const committer = (await sink.createCommitter?.(sinkContext({ clock, jobId })))!;
  await committer.recover?.([], restored);
  const context = writerContext({ clock, jobId });
  const writer = await sink.createWriter(context, restored);
  return { metrics: context.metrics, clock, sink, committer, writer, fileSystem };
}

function write(
  writer: SinkWriter<unknown, FileCommittable, OpenFileState>,
  value: unknown,
  timestamp?: number,
): void {
  writer.write(value, { timestamp, currentWatermark: 0 });
}

async function checkpoint(
  writer: SinkWriter<unknown, FileCommittable, OpenFileState>,
  checkpointId: number,
  isSavepoint = false,
): Promise<CommitRequest<FileCommittable>[]> {
  await writer.flush(false);
  const committables = (await writer.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
  return committables.map((committable) => ({ checkpointId, subtaskIndex: 0, committable }));
}

const PART = '/data/out/part-01234567-out-0-';

describe('a file sink', () => {
  it('shows nothing before the commit, and then files named by job, operator, subtask and checkpoint', async () => {
    const { writer, committer, fileSystem } = await open({ rolling: { maxRecords: 2 } });
    for (const n of [1, 2, 3]) write(writer, n);
    const requests = await checkpoint(writer, 7);
    expect(fileSystem.files()).toEqual(new Map());
    await committer.commit(requests);
    expect(fileSystem.files()).toEqual(new Map([[`${PART}7-0.ndjson`, '1\n2\n']]));
    await writer.flush(true);
    await committer.commit(await checkpoint(writer, 8));
    expect(fileSystem.files().get(`${PART}8-0.ndjson`)).toBe('3\n');
    expect(fileSystem.files(true)).toEqual(new Map());
  });

  it('changes nothing when a commit is repeated', async () => {
    const { writer, committer, fileSystem } = await open({ rolling: { everyCheckpoint: true } });
    write(writer, 1);
    const requests = await checkpoint(writer, 1);
    await committer.commit(requests);
    const before = fileSystem.files();
    await committer.commit(requests);
    await committer.commit([...requests, ...requests]);
    expect(fileSystem.files()).toEqual(before);
  });

  it.each([
    ['is gone', undefined, undefined, 'is not there'],
    ['is shorter than it was prepared', '1', undefined, 'has 1 bytes'],
    ['would overwrite another', '1\n', '1\n', 'itself has 2 bytes'],
    ['was changed by others after the commit', undefined, '12345', 'itself has 5 bytes'],
  ])('refuses to commit a file that %s', async (_what, inProgress, inPlace, message) => {
    const { writer, committer, fileSystem } = await open({ rolling: { everyCheckpoint: true } });
    write(writer, 1);
    const requests = await checkpoint(writer, 1);
    const [hidden] = fileSystem.files(true).keys();
    fileSystem.put(hidden!, inProgress);
    fileSystem.put(`${PART}1-0.ndjson`, inPlace);
    const error = await failureOf(committer.commit(requests));
    expect(error.message).toContain(message);
    expect(error.message).toContain(`${PART}1-0.ndjson cannot be committed with its 2 bytes`);
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT' });
  });

  it('finishes files by size and by records at once, by age and by idleness at checkpoints', async () => {
    const { writer, clock } = await open({
      bucketAssigner: (value) => String(value).slice(0, 1),
      rolling: { maxBytes: 40, maxAgeMs: 100, maxIdleMs: 30 },
    });
    const finished = async (id: number) =>
      (await checkpoint(writer, id)).map(({ committable }) => committable);
    write(writer, 'a'.repeat(40));
    write(writer, 'b');
    write(writer, 'c');
    expect(await finished(1)).toMatchObject([{ bucket: 'a', bytes: 43, records: 1 }]);
    clock.advance(29);
    write(writer, 'b');
    expect(await finished(2)).toEqual([]);
    clock.advance(1);
    expect(await finished(3)).toMatchObject([{ bucket: 'c', records: 1 }]);
    for (let id = 4; id < 10; id++) {
      clock.advance(10);
      write(writer, 'b');
      expect(await finished(id)).toEqual([]);
      if (id === 5) await writer.flush(false);
    }
    clock.advance(10);
    expect(await finished(10)).toMatchObject([{ bucket: 'b', records: 8 }]);
  });

  it('finishes the file that was used least recently when too many are open', async () => {
    const { writer } = await open({ bucketAssigner: (value) => String(value), maxOpenFiles: 2 });
    for (const value of ['a', 'b', 'a', 'c']) write(writer, value);
    expect((await checkpoint(writer, 1)).map(({ committable }) => committable)).toMatchObject([
      { bucket: 'b' },
    ]);
  });

  it('makes the subtask wait for the disk when the buffer is full or a file has ended', async () => {
    const { writer, fileSystem, metrics } = await open({ maxBufferedBytes: 10, rolling: { maxBytes: 100 } });
    write(writer, 1234567);
    expect(writer.backPressure?.()).toBeUndefined();
    write(writer, 89);
    await writer.backPressure?.();
    expect([...fileSystem.files(true).values()]).toEqual(['1234567\n89\n']);
    expect(writer.backPressure?.()).toBeUndefined();
    expect(metrics.counter('numBytesOut').value).toBe(11);
  });

  it('cuts off what was written behind the restored checkpoint, and shows the rest', async () => {
    const first = await open();
    write(first.writer, 1);
    await checkpoint(first.writer, 1);
    const states = [...(first.writer.snapshotState?.(1) ?? [])];
    write(first.writer, 2);
    await first.writer.flush(false);
    const { writer, committer, fileSystem } = await open({}, first.fileSystem, states);
    expect([...fileSystem.files(true).values()]).toEqual(['1\n']);
    write(writer, 2);
    await writer.flush(true);
    await committer.commit(await checkpoint(writer, 2));
    expect([...fileSystem.files().values()]).toEqual(['1\n', '2\n']);
  });

  it('goes on from the savepoint of another job, with its open files', async () => {
    const first = await open();
    write(first.writer, 1);
    await checkpoint(first.writer, 1);
    const states = [...(first.writer.snapshotState?.(1) ?? [])];
    const { writer, committer, fileSystem } = await open({}, first.fileSystem, states, 'another-job');
    write(writer, 2);
    await writer.flush(true);
    await committer.commit(await checkpoint(writer, 2));
    expect([...fileSystem.files()]).toEqual([
      ['/data/out/part-another--out-0-2-0.ndjson', '1\n'],
      ['/data/out/part-another--out-0-2-1.ndjson', '2\n'],
    ]);
    expect(fileSystem.files(true)).toEqual(new Map());
  });

  it('leaves no file open at a savepoint, so that jobs that begin with it share none (invariant 4)', async () => {
    const first = await open();
    write(first.writer, 1);
    await first.committer.commit(await checkpoint(first.writer, 1, true));
    expect(first.writer.snapshotState?.(1)).toEqual([]);
    expect([...first.fileSystem.files().values()]).toEqual(['1\n']);
  });

  it('refuses a checkpoint that is older than what was committed', async () => {
    const first = await open();
    write(first.writer, 1);
    await checkpoint(first.writer, 1);
    const old = [...(first.writer.snapshotState?.(1) ?? [])];
    await first.writer.flush(true);
    await first.committer.commit(await checkpoint(first.writer, 2));
    const error = await failureOf(open({}, first.fileSystem, old));
    expect(error.message).toMatch(/^The checkpoint has 2 bytes of .*, which is not there/);
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT' });
  });

  it('leaves the files of other jobs and operators alone', async () => {
    const { committer, fileSystem, writer } = await open();
    write(writer, 1);
    await writer.flush(false);
    const [own] = fileSystem.files(true).keys();
    const others = [
      own!.replace('0123456789abcdef', 'another-job'),
      own!.replace('-out/', '-other/'),
      '/data/out/.hidden',
      '/data/out/mine.ndjson',
    ];
    for (const path of others) fileSystem.put(path, 'x');
    await committer.recover?.([], []);
    expect([...fileSystem.files(true).keys(), ...fileSystem.files().keys()].sort()).toEqual(others.sort());
  });

  it('tells what was committed, once it is visible, until that is confirmed', async () => {
    const announced: CommittedFiles[] = [];
    const { sink, writer, committer } = await open({
      directory: '/data/out',
      rolling: { everyCheckpoint: true },
      onCommit: (committed) => void announced.push(committed),
    });
    const globalCommitter = await sink.createGlobalCommitter?.(sinkContext());
    write(writer, 'x');
    const requests = await checkpoint(writer, 3);
    await committer.commit(requests);
    await globalCommitter?.commit(requests);
    expect(announced).toEqual([
      { checkpointId: 3, files: [{ path: `${PART}3-0.ndjson`, bucket: '', bytes: 4, records: 1 }] },
    ]);
  });

  it.each([
    ['write', 'ENOSPC', 'cannot be written: the disk is full: make room (ENOSPC)'],
    ['create', 'EACCES', 'cannot be created: the process may not: give it write access (EACCES)'],
    ['sync', 'EIO', 'cannot be synced: EIO of the test (EIO)'],
    ['rename', 'EXDEV', "a bucket is on another file system than the sink's directory"],
  ])('says what to do when %s fails with %s', async (step, code, message) => {
    const { writer, committer, fileSystem } = await open({ rolling: { everyCheckpoint: true } });
    fileSystem.fault = (at) =>
      at === step ? Object.assign(new Error(`${code} of the test`), { code }) : undefined;
    write(writer, 1);
    const error = await failureOf(checkpoint(writer, 1).then((requests) => committer.commit(requests)));
    expect(error.message).toContain(message);
    expect(error.message).toContain('the job goes on from its last checkpoint');
    await writer.close();
  });

  it('notices at the checkpoint that its files are gone, or that somebody else writes to them', async () => {
    for (const text of [undefined, '1\n2\n']) {
      const { writer, fileSystem } = await open();
      write(writer, 1);
      await writer.flush(false);
      fileSystem.put([...fileSystem.files(true).keys()][0]!, text);
      const error = await failureOf(checkpoint(writer, 1));
      expect(error.message).toContain(
        `${text === undefined ? 'is gone' : 'has 4 bytes'} where 2 were written`,
      );
    }
  });

  it.each(['/etc', '../up', 'a//b', '.hidden', '_hidden', 'a/.b', 'a\\b', 'a\0b'])(
    'refuses the bucket %j, which readers would not find',
    async (bucket) => {
      const { writer } = await open({ bucketAssigner: () => bucket });
      expect(() => write(writer, 1)).toThrow(`got ${JSON.stringify(bucket)}`);
    },
  );

  it('refuses a bucket whose name is too long to be committed, as a fault of the record (invariant 5)', async () => {
    for (const bucket of ['é'.repeat(128), `a/${'b/c/'.repeat(512)}d`]) {
      const { writer } = await open({ bucketAssigner: () => bucket });
      expect(() => write(writer, 1)).toThrow(expect.objectContaining({ code: 'MILLRACE_RECORD' }));
    }
    const { writer } = await open({ bucketAssigner: () => 'é'.repeat(127) });
    write(writer, 1);
    expect(await checkpoint(writer, 1, true)).toHaveLength(1);
  });

  it('has no file where encoders made no bytes (invariant 5)', async () => {
    const fileSystem = new MemoryFileSystem();
    const sink = FileSink.forEncoder(
      { extension: '.log', encode: (value: unknown) => (value === 0 ? '' : 'x\n') },
      { directory: '/data/out', bucketAssigner: String, rolling: { maxRecords: 2 }, fileSystem },
    );
    await sink.createCommitter(sinkContext()).recover?.([], []);
    const writer = await sink.createWriter(writerContext(), []);
    for (const value of [0, 0, 0, 1]) write(writer, value);
    expect(await checkpoint(writer, 1)).toEqual([]);
    expect(writer.snapshotState?.(1)).toMatchObject([{ bucket: '1', bytes: 2 }]);
    expect([...fileSystem.files(true).values()]).toEqual(['x\n']);
  });

  it('keeps the number of files that are open at a time bounded (invariant 3)', async () => {
    const fileSystem = new MemoryFileSystem();
    const { writer } = await open({ bucketAssigner: String, maxOpenFiles: 8 }, fileSystem);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 300; n++) write(writer, n);
      await writer.backPressure?.();
    }
    expect(fileSystem.maxOpen).toBeLessThanOrEqual(8 + 16);
    await writer.close();
    expect(fileSystem.open).toBe(0);
  });

  it('refuses options that make no sense', () => {
    const make = (options: Options) => () => FileSink.forNdjson({ directory: 'out', ...options });
    expect(make({ directory: '' })).toThrow("'directory' of a file sink");
    const encoder = { extension: '/../x', encode: String };
    expect(() => FileSink.forEncoder(encoder, { directory: 'out' })).toThrow("'extension' of a file sink");
    expect(make({ maxBufferedBytes: 0 })).toThrow("'maxBufferedBytes' of a file sink");
    expect(make({ maxOpenFiles: 1.5 })).toThrow("'maxOpenFiles' of a file sink");
    expect(make({ rolling: { maxBytes: -1 } })).toThrow("'rolling.maxBytes' of a file sink");
    expect(make({ rolling: { maxRecords: 0 } })).toThrow("'rolling.maxRecords' of a file sink");
    expect(make({ rolling: { maxAgeMs: 0 } })).toThrow("'rolling.maxAgeMs' of a file sink");
    expect(make({ rolling: { maxIdleMs: NaN } })).toThrow("'rolling.maxIdleMs' of a file sink");
  });
});
