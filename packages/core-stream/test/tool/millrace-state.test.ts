/** The tool as a process of its own. */
import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FileCheckpointStorage,
  heapStateBackend,
  ListStateDescriptor,
  MapStateDescriptor,
  StateSchema,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { startPhase, type PhasedJob } from '../support/phases.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-tool-'));
const savepoint = join(directory, 'savepoint');
const own = join(directory, 'own');
const KEYS = 3;
const WORDS = 20_000;

const job: PhasedJob<number> = {
  inputs: [Array.from({ length: 12 }, (_, n) => ({ value: n, timestamp: n }))],
  build: (stream) => {
    stream
      .keyBy((n) => n % KEYS)
      .window(TumblingEventTimeWindows.of(1000))
      .reduce((a, b) => a + b, { schema: StateSchema.startingAt<number>(2) })
      .uid('sums')
      .sinkTo(new CollectingSink<number>())
      .uid('sums-out');
    return stream
      .keyBy((n) => n % KEYS)
      .process<string>((context) => {
        const last = context.getState(new ValueStateDescriptor<number>('last'));
        const days = context.getMapState(
          new MapStateDescriptor<string, unknown>('days', { ttl: { ttlMs: 1e9 } }),
        );
        const words = context.getOperatorListState(new ListStateDescriptor<string>('words'));
        return {
          processElement(n, { timers }) {
            last.update(n);
            days.put(`day ${n % 2}`, [new Date(n), 7n, NaN, undefined]);
            timers.registerEventTimeTimer(1000 + n);
            if (n === 0) words.update(Array.from({ length: WORDS }, (_, i) => `word ${i}`));
          },
        };
      })
      .uid('keyed');
  },
};

let built: TranspiledPackage;
beforeAll(async () => {
  built = await transpilePackage();
  const start = { config: { storage: new FileCheckpointStorage(own) }, backend: heapStateBackend() };
  const { client } = await startPhase(job, 0, { parallelism: 1, version: 1 }, start);
  await client.triggerSavepoint(savepoint);
  await client.stop();
}, 240_000);
afterAll(async () => {
  await built.remove();
  rmSync(directory, { recursive: true, force: true });
});

const tool = () => new URL('tool/main.js', built.url).pathname;

function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tool(), ...argv], { maxBuffer: 64 << 20 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

const lines = (out: string): unknown[] =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('millrace-state list', () => {
  it('prints a table for people', async () => {
    const { code, out } = await run('list', savepoint);
    expect(code).toBe(0);
    expect(out).toMatch(/^Checkpoint 1 of the job 'phases', \d{4}-/);
    expect(out.slice(out.indexOf('uid')).replaceAll(/\d+$/gm, 'N')).toMatchInlineSnapshot(`
      "uid       operator       subtasks  state         kind           version  ttl  count   bytes
      in        source                N
      sums      Window Reduce         1  contents      window               2           3      N
                                         panes         rows                             3     N
      sums-out  sink                  N
      keyed     KeyedProcess          1  words         operator-list        1       20000  N
                                         last          value                1           3      N
                                         days          map                  1  yes      3     N
                                         event-timers  rows                            12     N
      out       sink                  N
      "
    `);
  });

  it('prints a JSON object for each operator', async () => {
    const { code, out } = await run('list', savepoint, '--json');
    expect(code).toBe(0);
    const keyed = lines(out).find((line) => (line as { uid: string }).uid === 'keyed');
    expect(keyed).toMatchObject({
      type: 'KeyedProcess',
      parallelism: 1,
      states: [
        { name: 'words', kind: 'operator-list', count: WORDS },
        { name: 'last', kind: 'value', hasTtl: false, version: 1, count: KEYS },
        { name: 'days', kind: 'map', hasTtl: true, version: 1, count: KEYS },
      ],
      tables: [{ table: 'event-timers', rows: 12 }],
    });
  });

  it('lists a checkpoint of a job by its id', async () => {
    expect((await run('list', own, '--checkpoint', '2')).out).toContain('Checkpoint 2 of');
    expect((await run('list', own, '--checkpoint', '1')).out).toContain('Checkpoint 1 of');
  });
});

describe('millrace-state read', () => {
  it('prints a state as NDJSON', async () => {
    const { code, out } = await run('read', savepoint, '--uid', 'keyed', '--state', 'last');
    expect(code).toBe(0);
    expect(lines(out)).toHaveLength(KEYS);
    expect(lines(out)).toContainEqual({ state: 'last', key: 2, value: 11 });
  });

  it('prints what windows keep', async () => {
    const { out } = await run('read', savepoint, '--uid', 'sums', '--state', 'contents');
    expect(lines(out)).toHaveLength(KEYS);
    expect(lines(out)).toContainEqual({ state: 'contents', key: 1, value: 1 + 4 + 7 + 10 });
  });

  it('prints all that belongs to a key, with what JSON has no word for', async () => {
    const { out } = await run('read', savepoint, '--uid', 'keyed', '--key', '1');
    const day = (n: number) => [
      { $date: new Date(n).toISOString() },
      { $bigint: '7' },
      { $number: 'NaN' },
      { $undefined: true },
    ];
    expect(lines(out)).toEqual([
      { state: 'last', key: 1, value: 10 },
      {
        state: 'days',
        key: 1,
        value: {
          $map: [
            ['day 1', day(7)],
            ['day 0', day(10)],
          ],
        },
      },
      ...[1, 4, 7, 10].map((n) => ({ state: 'event-timers', key: 1, namespace: 1000 + n, value: null })),
    ]);
  });

  it('tells states of one name apart by their kind', async () => {
    const sameNames: PhasedJob<number> = {
      inputs: [[{ value: 1, timestamp: 1 }]],
      build: (stream) =>
        stream
          .keyBy((n) => n)
          .process<string>((context) => {
            const keyed = context.getState(new ValueStateDescriptor<string>('same'));
            const list = context.getOperatorListState(new ListStateDescriptor<string>('same'));
            return {
              processElement() {
                keyed.update('of a key');
                list.update(['of a subtask']);
              },
            };
          })
          .uid('keyed'),
    };
    const place = join(directory, 'same-names');
    const storage = new FileCheckpointStorage(place);
    const start = { config: { storage }, backend: heapStateBackend() };
    const { client } = await startPhase(sameNames, 0, { parallelism: 1, version: 1 }, start);
    await client.stop();
    const { out } = await run('read', place, '--uid', 'keyed', '--state', 'same');
    expect(lines(out)).toEqual([
      { state: 'same', kind: 'operator-list', subtask: 0, value: 'of a subtask' },
      { state: 'same', kind: 'value', key: 1, value: 'of a key' },
    ]);
  });

  it('prints the splits of a source', async () => {
    const { out } = await run('read', savepoint, '--uid', 'in');
    expect(lines(out)[0]).toMatchObject({ state: 'splits', subtask: 0, value: { next: 12 } });
  });

  it('stops without a word where nobody reads on', async () => {
    const child = spawn(process.execPath, [tool(), 'read', savepoint, '--uid', 'keyed', '--state', 'words'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += String(chunk)));
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
  });
});

describe('millrace-state', () => {
  it('prints what it can do', async () => {
    const { code, out, err } = await run('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Usage: millrace-state list DIRECTORY');
  });

  it.each([
    [[], 'the first argument is list or read, got nothing'],
    [['show', 'x'], 'the first argument is list or read, got show'],
    [['list'], 'list takes one directory, got 0'],
    [['list', 'a', 'b'], 'list takes one directory, got 2'],
    [['list', 'a', '--uid', 'x'], '--uid, --state and --key are for read'],
    [['list', 'a', '--checkpoint', 'x'], '--checkpoint takes the number of a checkpoint, got x'],
    [['read', 'a'], 'read takes --uid'],
    [['read', 'a', '--uid', 'x', '--json'], '--json is for list'],
    [['read', 'a', '--uid', 'x', '--key', 'text'], '--key takes JSON'],
    [['read', 'a', '--nothing'], '--nothing'],
  ])('ends with 2 for %j', async (argv, message) => {
    const { code, out, err } = await run(...argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).toContain('See millrace-state --help.');
  });

  it.each([
    [['list', join(directory, 'nowhere')], 'There is no savepoint in'],
    [['list', savepoint, '--checkpoint', '7'], '7'],
    [['read', savepoint, '--uid', 'nobody'], "no operator with uid 'nobody'"],
    [['read', savepoint, '--uid', 'keyed', '--state', 'x'], 'It has: words, last, days, event-timers.'],
  ])('ends with 1 for %j', async (argv, message) => {
    const { code, out, err } = await run(...argv);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(message);
    expect(err).not.toContain('    at ');
  });

  it('names what is damaged', async () => {
    const segments = join(savepoint, 'segments');
    const path = join(
      segments,
      readdirSync(segments).find((name) => name.startsWith('keyed'))!,
    );
    const whole = await readFile(path);
    const bytes = Uint8Array.from(whole);
    bytes[2]! ^= 1;
    await writeFile(path, bytes);
    const { code, err } = await run('read', savepoint, '--uid', 'keyed');
    await writeFile(path, whole);
    expect(code).toBe(1);
    expect(err).toContain("The segment 'keyed-savepoint-");
  });
});
