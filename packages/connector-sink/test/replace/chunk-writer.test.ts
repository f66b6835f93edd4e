import { appendFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { filesOf, type ReplaceCommittable } from '../../src/replace/chunk-committable.js';
import type { LateRow } from '../../src/replace/replace-options.js';
import { ReplaceCommitter } from '../../src/replace/replace-committer.js';
import { SpoolDirectory } from '../../src/spool/spool-directory.js';
import { SpoolLedger } from '../../src/spool/spool-ledger.js';
import type { DruidSchema } from '../../src/index.js';
import { FIRST_DAY, flightSchema, temporaryDirectory, type Flight } from '../support/sink-harness.js';
import {
  DAY,
  NOTHING_STORED,
  ReplaceRun,
  replaceSink,
  rowsOf,
  type ReplaceOptions,
  type StoredCheckpoint,
} from './replace-harness.js';

const LATENESS = DAY / 4;
const RETENTION = DAY;
const OWNER = { operatorUid: 'druid-sink', jobId: 'job-1' };

/** Never asked anything. */
const client = new DruidClient({ url: 'http://localhost:1' });

function newRun(options: ReplaceOptions, parallelism = 1, jobId = 'job-1'): ReplaceRun {
  return new ReplaceRun(replaceSink(client, 'flights', options), parallelism, { jobId });
}

const row = (day: number, delay = 1): Flight => ({ date: FIRST_DAY + day * DAY, origin: 'SFO', delay });
const endOf = (day: number) => FIRST_DAY + (day + 1) * DAY - 1;
const revisions = (committables: readonly ReplaceCommittable[]) =>
  committables.map((each) =>
    each.kind === 'revision'
      ? `day ${(each.chunk.start - FIRST_DAY) / DAY} revision ${each.revision} of ${each.rows} rows`
      : `release of ${each.parts.length} files`,
  );
const prepared = ({ pending }: StoredCheckpoint) => revisions(pending.map(({ committable }) => committable));
const files = (spoolDirectory: string, jobId = 'job-1') =>
  readdir(join(spoolDirectory, 'druid-sink', jobId)).catch(() => []);

describe('ChunkWriter', () => {
  it('writes a chunk when event time has passed it, and again with its late rows, until it is given up', async () => {
    const late: LateRow<Flight>[] = [];
    const spoolDirectory = await temporaryDirectory();
    const run = newRun({
      spoolDirectory,
      allowedLatenessMs: LATENESS,
      retainChunksMs: RETENTION,
      onLateRow: (each) => late.push(each),
    });
    await run.createWriters();
    await run.write([row(0), row(0.5), row(1)]);
    run.watermark(endOf(0) + LATENESS - 1);
    expect(prepared(await run.barrier(1))).toEqual([]);
    run.watermark(endOf(0) + LATENESS);
    expect(prepared(await run.barrier(2))).toEqual(['day 0 revision 1 of 2 rows']);
    expect(prepared(await run.barrier(3))).toEqual([]);
    await run.write([row(0.75)]);
    const { pending } = await run.barrier(4);
    expect(revisions(pending.map(({ committable }) => committable))).toEqual(['day 0 revision 2 of 3 rows']);
    const [request] = pending;
    if (request?.committable.kind === 'revision')
      expect(await rowsOf(spoolDirectory, request.committable)).toHaveLength(3); // invariant 3
    run.watermark(endOf(0) + LATENESS + RETENTION);
    await run.write([row(0.8)]); // invariant 4
    expect(late).toEqual([{ record: row(0.8), chunk: { start: FIRST_DAY, end: FIRST_DAY + DAY } }]);
    expect(prepared(await run.barrier(5))).toEqual(['day 1 revision 1 of 1 rows', 'release of 2 files']);
    expect(prepared(await run.barrier(6, { isEnd: true }))).toEqual(['release of 1 files']);
    await run.close();
  });

  it('fails by a late row unless told otherwise, and says what to do', async () => {
    const run = newRun({ spoolDirectory: await temporaryDirectory() });
    await run.createWriters();
    run.watermark(endOf(0));
    await expect(run.write([row(0)])).rejects.toThrow(
      "its chunk of time, which begins at 2001-01-01T00:00:00.000Z, was given up when event time had passed its end by 0 ms. Raise 'retainChunksMs'",
    );
    await run.close();
  });

  it('ends large files, and opens few at a time (invariant 5)', async () => {
    const spoolDirectory = await temporaryDirectory();
    const run = newRun({ spoolDirectory, maxSpoolFileBytes: 300_000, maxBufferedBytes: 20_000 });
    await run.createWriters();
    const days = Array.from({ length: 150 }, (_, day) => row(day));
    for (let round = 0; round < 4; round++) await run.write(days);
    await run.write(Array.from({ length: 12_000 }, (_, index) => row(0, index)));
    const { pending } = await run.barrier(1, { isEnd: true });
    const sizes = pending.map(({ committable }) => committable.parts.length);
    expect(sizes).toHaveLength(151);
    expect(sizes[0]).toBeGreaterThan(1);
    for (const { committable } of pending) {
      if (committable.kind === 'revision')
        expect(await rowsOf(spoolDirectory, committable)).toHaveLength(committable.rows);
    }
    await run.close();
  });

  it('cuts off what came behind the checkpoint, and refuses a file that has lost rows (invariant 2)', async () => {
    const spoolDirectory = await temporaryDirectory();
    const first = newRun({ spoolDirectory });
    await first.createWriters();
    await first.write([row(0)]);
    const stored = await first.barrier(1);
    await first.write([row(0.5)]);
    await first.barrier(2, { isAborted: true });
    await first.close();
    const [file = ''] = stored.states.flatMap(filesOf);
    await appendFile(join(spoolDirectory, file), 'half a ro');

    const next = newRun({ spoolDirectory });
    await next.createWriters(stored);
    await next.write([row(0.25)]);
    const { pending } = await next.barrier(2, { isEnd: true });
    const [request] = pending;
    expect(revisions([request!.committable])).toEqual(['day 0 revision 1 of 2 rows']);
    if (request?.committable.kind === 'revision')
      expect(await rowsOf(spoolDirectory, request.committable)).toEqual([
        `{"__time":${row(0).date},"origin":"SFO","delay":1}`,
        `{"__time":${row(0.25).date},"origin":"SFO","delay":1}`,
      ]);
    await next.close();

    await truncate(join(spoolDirectory, file), 5);
    await expect(newRun({ spoolDirectory }).createWriters(stored)).rejects.toThrow('has only 5 bytes');
    await writeFile(join(spoolDirectory, file), 'x'.repeat(1_000));
    await expect(newRun({ spoolDirectory }).createWriters(stored)).rejects.toThrow('has another content');
  });

  it('shares no file with a job that begins with its savepoint (invariant 6)', async () => {
    const spoolDirectory = await temporaryDirectory();
    const old = newRun({ spoolDirectory });
    await old.createWriters();
    await old.write([row(0)]);
    const savepoint = await old.barrier(1, { isSavepoint: true });
    expect(savepoint.states).toMatchObject([{ kind: 'chunk', open: null }, { kind: 'watermark' }]);

    const next = newRun({ spoolDirectory }, 1, 'job-2');
    await next.createWriters(savepoint);
    await old.write([row(0.5)]);
    expect(prepared(await old.barrier(2, { isEnd: true }))).toContain('day 0 revision 1 of 2 rows');
    await old.close();
    for (const name of await files(spoolDirectory))
      await truncate(join(spoolDirectory, 'druid-sink', 'job-1', name), 0).catch(() => undefined);
    const { pending } = await next.barrier(1, { isEnd: true });
    expect(prepared({ pending, states: [] })).toContain('day 0 revision 1 of 1 rows');
    expect(await files(spoolDirectory, 'job-2')).toHaveLength(1);
    await next.close();

    await rm(join(spoolDirectory, 'druid-sink', 'job-1'), { recursive: true });
    const late = newRun({ spoolDirectory }, 1, 'job-3').createWriters(savepoint);
    await expect(late).rejects.toThrow('Begin with a newer savepoint');
  });

  it.each([{ retainChunksMs: 30 * DAY }, { allowedLatenessMs: 30 * DAY }])(
    'does not begin a chunk again that was given up, though %o says to wait longer now (invariant 4)',
    async (longer) => {
      const spoolDirectory = await temporaryDirectory();
      const first = newRun({ spoolDirectory });
      await first.createWriters();
      await first.write([row(0), row(0.5), row(1)]);
      first.watermark(endOf(0));
      const stored = await first.barrier(1);
      await first.close();

      for (const parallelism of [1, 2]) {
        const late: LateRow<Flight>[] = [];
        const onLateRow = (each: LateRow<Flight>) => late.push(each);
        const next = newRun({ spoolDirectory, onLateRow, ...longer }, parallelism);
        await next.createWriters(stored);
        await next.write([row(0.75), row(1.5)]);
        expect(late).toHaveLength(1);
        expect(prepared(await next.barrier(2, { isEnd: true }))).toContain('day 1 revision 1 of 2 rows');
        await next.close();
      }
    },
  );

  it('writes the rows of a chunk before it gives it up, also where another writer was further', async () => {
    const spoolDirectory = await temporaryDirectory();
    const first = newRun({ spoolDirectory }, 2);
    await first.createWriters();
    await first.write([row(0), row(1)]);
    first.writers[Math.floor(FIRST_DAY / DAY + 1) % 2]?.writeWatermark?.(endOf(1)); // an unaligned checkpoint
    const stored = await first.barrier(1);
    expect(prepared(stored)).toEqual(['day 1 revision 1 of 1 rows', 'release of 1 files']);
    await first.close();

    const next = newRun({ spoolDirectory, allowedLatenessMs: 30 * DAY });
    await next.createWriters(stored);
    expect(prepared(await next.barrier(2))).toEqual(['day 0 revision 1 of 1 rows', 'release of 1 files']);
    await next.close();
  });

  it('refuses chunks that were cut or folded in another way', async () => {
    const spoolDirectory = await temporaryDirectory();
    const first = newRun({ spoolDirectory });
    await first.createWriters();
    await first.write([row(0)]);
    const stored = await first.barrier(1);
    await first.close();
    const restored = (schema: DruidSchema<Flight>, preAggregate = false) =>
      newRun({ spoolDirectory, schema, preAggregate }).createWriters(stored);
    const schema = flightSchema('flights');
    await expect(restored({ ...schema, segmentGranularity: 'hour' })).rejects.toThrow(
      "chunks of a 'day'. Give the schema back its 'segmentGranularity'",
    );
    await expect(restored({ ...schema, rollup: true }, true)).rejects.toThrow("'preAggregate'");
    await expect(restored(schema)).resolves.toBeUndefined();
  });
});

type Step =
  | { readonly type: 'rows'; readonly times: readonly number[] }
  | { readonly type: 'watermark'; readonly to: number }
  | { readonly type: 'barrier'; readonly isAborted: boolean }
  | { readonly type: 'crash'; readonly parallelism: number };

const hours = fc.integer({ min: 0, max: 24 * 5 }).map((hour) => FIRST_DAY + hour * 3_600_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(hours, { maxLength: 6 }).map((times) => ({ type: 'rows', times }) as const),
  },
  { weight: 2, arbitrary: hours.map((to) => ({ type: 'watermark', to }) as const) },
  { weight: 3, arbitrary: fc.boolean().map((isAborted) => ({ type: 'barrier', isAborted }) as const) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 3 }).map((parallelism) => ({ type: 'crash', parallelism }) as const),
  },
);

/** Which rows each day has in the end, if nothing ever fails. */
function naive(steps: readonly Step[]) {
  const days: Record<number, number[]> = {};
  const late: number[] = [];
  let watermark = -Infinity;
  let number = 0;
  for (const each of steps) {
    if (each.type === 'watermark') watermark = Math.max(watermark, each.to);
    if (each.type !== 'rows') continue;
    for (const time of each.times) {
      const day = Math.floor((time - FIRST_DAY) / DAY);
      const isLate = watermark >= endOf(day) + LATENESS + RETENTION;
      if (isLate) late.push(number++);
      else (days[day] ??= []).push(number++);
    }
  }
  return { days, late };
}

/** The same with crashes, restarts and checkpoints that fail; Druid is a map of days. */
async function actual(steps: readonly Step[], spoolDirectory: string) {
  const days: Record<number, number[]> = {};
  const late = new Set<number>();
  const options = {
    spoolDirectory,
    allowedLatenessMs: LATENESS,
    retainChunksMs: RETENTION,
    maxSpoolFileBytes: 150,
    onLateRow: ({ record }: LateRow<Flight>) => void late.add(record.delay ?? -1),
  };
  const directory = new SpoolDirectory(spoolDirectory, OWNER);
  let run = newRun(options);
  await run.createWriters();
  let durable = { stored: NOTHING_STORED, position: 0 };
  let rows = 0;
  const data = steps.filter(({ type }) => type === 'rows' || type === 'watermark');
  const rowNumbers = data.map((each) => {
    const first = rows;
    rows += each.type === 'rows' ? each.times.length : 0;
    return first;
  });
  let position = 0;
  const feed = async (upTo: number) => {
    for (; position < upTo; position++) {
      const each = data[position]!;
      if (each.type === 'watermark') run.watermark(each.to);
      if (each.type !== 'rows') continue;
      const first = rowNumbers[position]!;
      await run.write(each.times.map((date, index) => ({ date, origin: 'SFO', delay: first + index })));
    }
  };
  /** What the committer does, with the requests of one checkpoint. */
  const commit = async ({ pending }: StoredCheckpoint) => {
    for (const { committable } of pending) {
      if (committable.kind === 'release') {
        for (const { file } of committable.parts) await directory.remove(file);
        continue;
      }
      const found = (await rowsOf(spoolDirectory, committable)).map(
        (line) => (JSON.parse(line) as { delay: number }).delay,
      );
      expect(found).toHaveLength(committable.rows);
      days[(committable.chunk.start - FIRST_DAY) / DAY] = found;
    }
  };
  let seen = 0;
  let checkpointId = 0;
  for (const each of steps) {
    if (each.type === 'rows' || each.type === 'watermark') await feed(++seen);
    if (each.type === 'barrier') {
      const stored = await run.barrier(++checkpointId, { isAborted: each.isAborted });
      if (each.isAborted) continue;
      durable = { stored, position };
      await commit(stored);
    }
    if (each.type === 'crash') {
      await run.close();
      run = newRun(options, each.parallelism);
      const committer = new ReplaceCommitter({
        context: run.job.context(),
        environment: { directory } as never,
        ledger: new SpoolLedger(1e9),
        written: new Set(),
        maxConcurrentTasks: 1,
        onClose: () => undefined,
      });
      // What was durable is committed already: all that is left of it are the writers' states.
      await committer.recover([], durable.stored.states);
      await run.createWriters(durable.stored);
      position = durable.position;
      await feed(seen);
    }
  }
  await commit(await run.barrier(checkpointId + 1, { isEnd: true }));
  await run.close();
  return { days, late: [...late] };
}

const sorted = ({ days, late }: Awaited<ReturnType<typeof actual>>) => ({
  days: Object.fromEntries(Object.entries(days).map(([day, rows]) => [day, rows.toSorted((a, b) => a - b)])),
  late: late.toSorted((a, b) => a - b),
});

it('has every row of a day once, in the end, whatever crashes and however many writers there are (invariants 1 to 4)', async () => {
  onTestFinished(() => client.close());
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const spoolDirectory = await temporaryDirectory();
      expect(sorted(await actual(steps, spoolDirectory))).toEqual(sorted(naive(steps)));
      expect(await files(spoolDirectory)).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 240_000);
