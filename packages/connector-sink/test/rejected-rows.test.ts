import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { CommitRequest } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { provenRejections, type RejectedRow } from '../src/commit/rejected-rows.js';
import {
  DruidSink,
  type CommitDone,
  type DruidSinkError,
  type DruidSinkOptions,
  type SpoolCommittable,
} from '../src/index.js';
import { replaceRows, spoilRow } from './support/spoil-row.js';
import { SinkJob, flights, flightSchema, temporaryDirectory, type Flight } from './support/sink-harness.js';

type Request = CommitRequest<SpoolCommittable>;

describe('a row that Druid could not read', () => {
  const committable = { file: 'a.ndjson', rows: 3, dataSchema: { dataSource: 'x' } } as SpoolCommittable;
  const lines = ['{"__time":1,"a":"\u2028"}', '{"__time":"soon"}', '{"__time":3}'];
  let path: string;

  beforeEach(async () => {
    path = join(await temporaryDirectory(), 'a.ndjson');
    await writeFile(path, lines.map((line) => `${line}\n`).join(''));
  });

  const proven = (...events: { input: string; details: string }[]) =>
    provenRejections(
      {
        ingestionStatsAndErrors: {
          payload: {
            unparseableEvents: {
              buildSegments: events.map(({ input, details }) => ({
                input,
                details: [details],
                errorType: 'unparseable',
                timeOfExceptionMillis: 9,
              })),
            },
          },
        },
      },
      committable,
      path,
    );

  it('is proven by its text or, where Druid read its fields, by its line (invariant 1)', async () => {
    expect(
      await proven(
        {
          input: lines[2]!,
          details: 'Unable to parse (Path: http://host/secret/rows.ndjson, Record: 2, Line: 3)',
        },
        { input: '{__time=soon}', details: 'Timestamp[soon] is unparseable! (Record: 1, Line: 2)' },
      ),
    ).toEqual([
      {
        dataSource: 'x',
        id: 'a.ndjson:2',
        line: 2,
        text: lines[1],
        reason: 'Timestamp[soon] is unparseable!',
        foundAtMs: 9,
      },
      { dataSource: 'x', id: 'a.ndjson:3', line: 3, text: lines[2], reason: 'Unable to parse', foundAtMs: 9 },
    ]);
  });

  it('is not the part of a line that a cut connection leaves, nor one told twice, nor one without a line', async () => {
    const cut = { input: lines[0]!.slice(0, 7), details: 'Unable to parse (Record: 1, Line: 1)' };
    expect(await proven(cut)).toBeUndefined();
    expect(await proven({ ...cut, input: lines[0]!.slice(7) })).toBeUndefined();
    const whole = { ...cut, input: lines[0]! };
    expect(await proven(whole)).toHaveLength(1);
    expect(await proven(whole, whole)).toBeUndefined();
    expect(await proven({ ...whole, details: 'Unable to parse' })).toBeUndefined();
    expect(await proven({ ...whole, details: 'Unable to parse (Record: 9, Line: 9)' })).toBeUndefined();
    expect(
      await proven({ input: '{__time=1', details: 'Timestamp[1] (Record: 4, Line: 4)' }),
    ).toBeUndefined();
  });

  it('is not shown by its reason: what a record holds is for the describer to show', async () => {
    const fields = '{__time=soon}';
    const found = await proven(
      { input: lines[0]!, details: `Unable to parse row [${lines[0]!}] (Record: 1, Line: 1)` },
      {
        input: fields,
        details: `Timestamp[soon] is unparseable! Event: ${fields} (Record: 2, Line: 2)`,
      },
      { input: lines[2]!, details: `Unable to parse row [${lines[2]!.slice(0, 9)}... (Record: 3, Line: 3)` },
    );
    expect(found?.map(({ reason }) => reason)).toEqual([
      'Unable to parse row […]',
      'Timestamp[soon] is unparseable! Event: …',
      'Unable to parse row […',
    ]);
  });

  it('is found in compressed files, too', async () => {
    path = `${path}.gz`;
    await writeFile(path, gzipSync(lines.map((line) => `${line}\n`).join('')));
    const found = await proven({ input: lines[1]!, details: 'Unable to parse (Record: 1, Line: 2)' });
    expect(found?.[0]?.text).toBe(lines[1]);
  });
});

describe('DruidSink, when Druid cannot read a row', () => {
  let druid: EmbeddedDruid;
  let client: DruidClient;
  let dataSource: string;
  let spoolDirectory: string;
  let sources = 0;

  beforeAll(async () => {
    druid = await EmbeddedDruid.start();
    client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
  });
  afterAll(async () => {
    client.close();
    await druid.stop();
  });
  beforeEach(async () => {
    druid.clearFaults();
    dataSource = `rejected_${++sources}`;
    spoolDirectory = await temporaryDirectory();
  });

  const newSink = (options: Partial<DruidSinkOptions<Flight>> = {}) =>
    new DruidSink<Flight>({
      druid: client,
      schema: flightSchema(dataSource),
      spoolDirectory,
      inlineMaxBytes: 0,
      ...options,
    });

  const spoil = (request: Request | undefined, line: number) => spoilRow(spoolDirectory, request, line);
  const query = (sql: string) => client.sql.query(sql, { rowFormat: 'array' });
  const tasks = () => query(`SELECT "status" FROM sys.tasks WHERE "datasource" = '${dataSource}' ORDER BY 1`);

  it('fails at once, with the line and the reason, and nothing of the file is in Druid', async () => {
    const job = new SinkJob(newSink());
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(20));
    await spoil(requests[0], 7);
    const error = (await committer.commit(requests).catch((thrown: unknown) => thrown)) as DruidSinkError;
    expect([error.code, error.retryable]).toEqual(['DRUID_SINK_TASK', false]);
    expect(error.message).toContain('line 7: Unable to parse row');
    expect(error.message).not.toContain('rows.ndjson');
    expect(await tasks()).toEqual([['FAILED']]);
  });

  it('leaves such rows out and hands them on, where it is told to, and no others', async () => {
    const rejected: RejectedRow[] = [];
    const events: CommitDone[] = [];
    const sink = newSink({
      onRejectedRow: (row) => void rejected.push(row),
      onCommit: (event) => events.push(event),
    });
    const job = new SinkJob(sink);
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(20), flights(5, 20));
    const texts = [await spoil(requests[0], 7), await spoil(requests[0], 20)];
    await committer.commit(requests);
    expect(rejected.map(({ line, text }) => [line, text])).toEqual([
      [7, texts[0]],
      [20, texts[1]],
    ]);
    expect(events.map(({ attempt, rows, rejectedRows }) => [attempt, rows, rejectedRows])).toContainEqual([
      2, 20, 2,
    ]);
    expect(events).toHaveLength(2);
    expect(await query(`SELECT COUNT(*) FROM "${dataSource}"`)).toEqual([[23]]);
    expect(await tasks()).toEqual([['FAILED'], ['SUCCESS'], ['SUCCESS']]);
    const metric = (name: string) => job.metrics.registry.value(`operator_${name}`);
    expect(['committedFiles', 'committedRows', 'rejectedRows'].map(metric)).toEqual([2, 23, 2]);
    expect(['submittedTasks', 'failedTasks', 'pendingFiles'].map(metric)).toEqual([3, 1, 0]);
    // Of a histogram: how many commits it has measured.
    expect(['submittedMs', 'publishedMs', 'queryableMs'].map(metric)).toEqual([2, 2, 2]);
    // A commit that is repeated, by whomever, tells nobody again.
    await committer.commit(requests);
    expect(rejected).toHaveLength(2);
  });

  it('writes them into the datasource of dead letters once, however often its process dies', async () => {
    const letters = `letters_${sources}`;
    const options = { deadLetters: { dataSource: letters } };
    const dead = new SinkJob(newSink(options));
    const committer = await dead.committer();
    const requests = await dead.checkpoint(1, flights(20));
    const text = await spoil(requests[0], 7);
    // The last thing that a commit does is to remove its file: here it dies just before, after all is in Druid.
    const file = join(spoolDirectory, requests[0]!.committable.file);
    const content = await readFile(file);
    await committer.commit(requests);
    dead.crash();
    await committer.close?.();
    await writeFile(file, content);

    const next = await new SinkJob(newSink(options)).committer(requests);
    await next.commit(requests);
    expect(await query(`SELECT COUNT(*) FROM "${dataSource}"`)).toEqual([[19]]);
    const found = await query(`SELECT "dataSource", "reason", "record" FROM "${letters}"`);
    expect(found).toEqual([
      [dataSource, expect.stringContaining('Unable to parse row'), JSON.stringify(text)],
    ]);
  });

  it('commits a file of which Druid can read no row', async () => {
    const rejected: RejectedRow[] = [];
    const onRejectedRow = (row: RejectedRow) => void rejected.push(row);
    const job = new SinkJob(newSink({ onRejectedRow, queryableTimeoutMs: 2_000 }));
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(1));
    await spoil(requests[0], 1);
    await committer.commit(requests);
    expect(rejected.map(({ line }) => line)).toEqual([1]);
    expect(await tasks()).toEqual([['FAILED'], ['SUCCESS']]);
    // By whoever repeats it: the file is gone, and there is nothing in Druid to be counted.
    await (await new SinkJob(newSink({ onRejectedRow })).committer(requests)).commit(requests);
    expect([rejected.length, (await tasks()).length]).toEqual([1, 2]);
  });

  it('is exact when it crashes after an answer of Druid, whichever it is', async () => {
    for (let fatal = 4, isFatal = true; isFatal; fatal += 4) {
      dataSource = `rejected_${sources}_${fatal}`;
      const letters = `letters_${sources}_${fatal}`;
      const options = { deadLetters: { dataSource: letters }, waitUntil: 'published' } as const;
      let answers = 0;
      const onResponse = () => {
        answers += 1;
        if (answers === fatal) dead.crash();
      };
      const telling = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 }, hooks: { onResponse } });
      const dead = new SinkJob(newSink({ ...options, druid: telling }));
      const committer = await dead.committer();
      const requests = await dead.checkpoint(1, flights(20));
      await spoil(requests[0], 7);
      await spoil(requests[0], 9);
      const end = await committer.commit(requests).then(() => 'after all', String);
      isFatal = answers >= fatal;
      // The last answer may come when there is nothing left to crash.
      expect(end).toMatch(isFatal ? /crashed|after all/ : /after all/);
      await committer.close?.();
      telling.close();
      await (await new SinkJob(newSink(options)).committer(requests)).commit(requests);
      expect(await query(`SELECT COUNT(*) FROM "${dataSource}"`)).toEqual([[18]]);
      expect(await query(`SELECT COUNT(*) FROM "${letters}"`)).toEqual([[2]]);
    }
  });

  it('gives up on a file of which Druid cannot read most', async () => {
    const job = new SinkJob(newSink({ onRejectedRow: () => undefined }));
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(1_100));
    await replaceRows(spoolDirectory, requests[0], 'x\n'.repeat(1_100));
    const error = (await committer.commit(requests).catch((thrown: unknown) => thrown)) as DruidSinkError;
    expect(error.message).toContain('up to 1000 such rows');
    expect(await tasks()).toEqual([['FAILED'], ['FAILED']]);
  });

  it('needs the commit id, without which a failed task ends the job anyway', () => {
    expect(() => newSink({ onRejectedRow: () => undefined, commitIdColumn: false })).toThrow(
      "'commitIdColumn'",
    );
  });
});
