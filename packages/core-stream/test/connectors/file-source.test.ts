import { mkdtemp, rename, rm, truncate, utimes, writeFile, mkdir, appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  CheckpointError,
  FileSource,
  OperatorError,
  StreamConfigError,
  StreamRecordError,
  WatermarkStrategy,
  type InvalidRecord,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf } from '../support/conditions.js';
import { environment, refuseUnhandledRejections } from '../support/environment.js';
import { SourceHarness } from '../support/source-harness.js';

refuseUnhandledRejections();

let root = '';
let directory = '';
let count = 0;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'millrace-files-'))));
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  directory = join(root, String(count++));
  await mkdir(directory);
});

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

async function readAll<T>(source: FileSource<T>, parallelism = 1): Promise<T[]> {
  const harness = new SourceHarness(source, { parallelism });
  try {
    return await harness.run();
  } finally {
    await harness.close();
  }
}

describe('NDJSON files', () => {
  it('give one record per line, with BOM, CRLF, blank lines and no line break at the end', async () => {
    const paths = await file('a.ndjson', '\uFEFF{"a":1}\r\n\r\n"é"\n[3]\n\n4');
    for (const chunkBytes of [1, 2, 3, 7, 1024]) {
      expect(await readAll(FileSource.forNdjson({ paths, chunkBytes }))).toEqual([{ a: 1 }, 'é', [3], 4]);
    }
  });

  it('have their bytes counted', async () => {
    const content = '{"a":1}\n"é"\n';
    const harness = new SourceHarness(
      FileSource.forNdjson({ paths: await file('a', content), chunkBytes: 4 }),
    );
    await harness.run();
    await harness.close();
    expect(harness.metrics.registry.value('operator_numBytesIn')).toBe(Buffer.byteLength(content));
  });

  it('may be empty', async () => {
    expect(await readAll(FileSource.forNdjson({ paths: await file('a', '') }))).toEqual([]);
    expect(await readAll(FileSource.forNdjson({ paths: await file('b', '\n') }))).toEqual([]);
  });

  it('are read from the byte behind the last record on, wherever the job was killed', async () => {
    const line = fc.oneof(
      fc
        .string({ unit: fc.constantFrom('a', 'é', '😀', '\\', '"', ' ') })
        .map((text) => JSON.stringify(text)),
      fc.constant(''),
    );
    const options = fc.record({
      lines: fc.array(line, { maxLength: 12 }),
      bom: fc.constantFrom('', '\uFEFF'),
      eol: fc.constantFrom('\n', '\r\n'),
      isEnded: fc.boolean(),
      chunkBytes: fc.integer({ min: 1, max: 20 }),
      splitBytes: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
      parallelisms: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    });
    await fc.assert(
      fc.asyncProperty(
        options,
        async ({ lines, bom, eol, isEnded, chunkBytes, splitBytes, parallelisms }) => {
          const paths = await file('p.ndjson', bom + lines.join(eol) + (isEnded ? eol : ''));
          const expected = lines
            .filter((text) => text !== '')
            .map((text, index) => [index, JSON.parse(text)]);
          const open = () =>
            FileSource.forNdjson({ paths, chunkBytes, ...(splitBytes === undefined ? {} : { splitBytes }) });
          const total = expected.length;
          for (let kill = 0; kill <= total; kill++) {
            const first = new SourceHarness(open(), { parallelism: parallelisms[0] });
            await first.run(kill);
            const restored = first.checkpoint();
            await first.close();
            const second = new SourceHarness(open(), { parallelism: parallelisms[1], restored });
            await second.run();
            await second.close();
            const all = [...first.records, ...second.records];
            const values = expected.map(([, value]) => value as unknown);
            if (splitBytes === undefined) expect(all).toEqual(values);
            else expect([...all].sort()).toEqual([...values].sort());
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('larger than splitBytes are read by several readers, each record by one', async () => {
    const numbers = Array.from({ length: 1000 }, (_, n) => n);
    const paths = await file('large', numbers.map((n) => `${n}\n`).join(''));
    const harness = new SourceHarness(
      FileSource.forNdjson<number>({ paths, splitBytes: 500, parse: Number }),
      {
        parallelism: 3,
      },
    );
    await harness.run(Infinity, 10);
    await harness.close();
    expect([...harness.records].sort((a, b) => a - b)).toEqual(numbers);
    expect(harness.byReader.every((own) => own.length > 0)).toBe(true);
    expect(new Set(harness.released).size).toBe(8);
  });

  it('of several paths and directories come by name; names with a dot or underscore are left out', async () => {
    await file('b', '2');
    await file('a', '1');
    await file('.hidden', 'x');
    await file('_temporary', 'x');
    await mkdir(join(directory, 'c'));
    await file('c/d', '3');
    await mkdir(join(directory, '.git'));
    await file('.git/e', 'x');
    expect(await readAll(FileSource.forNdjson({ paths: directory }))).toEqual([1, 2, 3]);
    const include = (name: string) => name !== 'b';
    expect(await readAll(FileSource.forNdjson({ paths: [directory], include }))).toEqual([1, 3]);
    const named = [join(directory, 'b'), join(directory, 'b'), join(directory, 'a')];
    expect(await readAll(FileSource.forNdjson({ paths: named }))).toEqual([1, 2]);
  });

  it('stop the job at a line that is no JSON, with its place and text', async () => {
    const paths = await file('bad.ndjson', '{"a":1}\n\n{"a":\n{"a":3}');
    const { env } = environment();
    env
      .fromSource(FileSource.forNdjson({ paths }), WatermarkStrategy.noWatermarks(), 'Orders')
      .sinkTo(new CollectingSink());
    const error = await failureOf(env.execute('bad'));
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toContain("'Orders' (subtask 0) failed while reading");
    expect(error.message).toContain(`${paths}:3: '{"a":' is no record`);
    expect(error.message).toContain("'onInvalid'");
    expect(error.cause).toBeInstanceOf(StreamRecordError);
  });

  it('send invalid lines on as data where asked to', async () => {
    const paths = await file('bad.ndjson', '1\nx\n3');
    const invalid: InvalidRecord[] = [];
    const source = FileSource.forNdjson({
      paths,
      parse: (value) => {
        if (value === 3) throw new Error('three');
        return value as number;
      },
      onInvalid: (bad) => {
        invalid.push(bad);
        return { bad: bad.text };
      },
    });
    expect(await readAll(source)).toEqual([1, { bad: 'x' }, { bad: '3' }]);
    expect(invalid).toMatchObject([
      { path: paths, line: 2, byteOffset: 2, reason: expect.stringContaining('JSON') as string },
      { path: paths, line: 3, byteOffset: 4, reason: 'three' },
    ]);
  });

  it('are refused where a line is no UTF-8, but may hold the replacement character', async () => {
    const good = await file('good', '"\uFFFD"');
    expect(await readAll(FileSource.forNdjson({ paths: good }))).toEqual(['\uFFFD']);
    const bad = await file('bad', Buffer.from([34, 0xc3, 34, 10]));
    await expect(readAll(FileSource.forNdjson({ paths: bad }))).rejects.toThrow('not valid UTF-8');
  });

  it('fail at a line that is longer than allowed, without holding it in memory', async () => {
    const paths = await file('long', `"a"\n"${'x'.repeat(100_000)}"\n`);
    const source = FileSource.forNdjson({ paths, maxRecordBytes: 1000, chunkBytes: 100 });
    await expect(readAll(source)).rejects.toThrow(`${paths}:2: the record is longer than 1000 bytes`);
    const exact = await file('exact', `"${'x'.repeat(998)}"\r\n`);
    expect(await readAll(FileSource.forNdjson({ paths: exact, maxRecordBytes: 1001 }))).toHaveLength(1);
  });
});

describe('lines', () => {
  it('come as they are, or parsed', async () => {
    const paths = await file('lines', ' a \r\nb');
    expect(await readAll(FileSource.forLines({ paths }))).toEqual([' a ', 'b']);
    expect(await readAll(FileSource.forLines({ paths, parse: (line) => line.length }))).toEqual([3, 1]);
  });
});

describe('CSV files', () => {
  const text = '\uFEFFid,"na""me",note\r\n1,"a, b","x\ny"\r\n\r\n2,é,\r\n3,"",z';
  const rows = [
    { id: '1', 'na"me': 'a, b', note: 'x\ny' },
    { id: '2', 'na"me': 'é', note: '' },
    { id: '3', 'na"me': '', note: 'z' },
  ];

  it('give records by the names of their header', async () => {
    const paths = await file('a.csv', text);
    for (const chunkBytes of [1, 2, 5, 4096]) {
      expect(await readAll(FileSource.forCsv({ paths, chunkBytes }))).toEqual(rows);
    }
    expect(await readAll(FileSource.forCsv({ paths, parse: ({ id }) => Number(id) }))).toEqual([1, 2, 3]);
  });

  it('may have no header, and another separator', async () => {
    const paths = await file('a.csv', '1;a\n2;b\n');
    const source = FileSource.forCsv({ paths, columns: ['id', 'name'], delimiter: ';' });
    expect(await readAll(source)).toEqual([
      { id: '1', name: 'a' },
      { id: '2', name: 'b' },
    ]);
  });

  it('go on behind the last record after every kill point', async () => {
    const paths = await file('a.csv', text);
    for (let kill = 0; kill <= 3; kill++) {
      const first = new SourceHarness(FileSource.forCsv({ paths, chunkBytes: 3 }));
      await first.run(kill);
      const restored = first.checkpoint();
      await first.close();
      const second = new SourceHarness(FileSource.forCsv({ paths }), { restored });
      await second.run();
      await second.close();
      expect([...first.records, ...second.records]).toEqual(rows);
    }
  });

  it('with an empty file or a header only have no records', async () => {
    expect(await readAll(FileSource.forCsv({ paths: await file('a', '') }))).toEqual([]);
    expect(await readAll(FileSource.forCsv({ paths: await file('b', 'id,name') }))).toEqual([]);
    expect(await readAll(FileSource.forCsv({ paths: await file('c', 'id,name\r\n') }))).toEqual([]);
  });

  it.each([
    ['id,n\n1\n', ':2:', 'it has 1 fields, and there are 2 columns'],
    ['id,n\n1,"a\nb"\n2,"x"y\n', ':4:', "'y' follows the closing quote of field 2"],
    ['id,n\n1,"x\n2,y', ':2:', 'the quote of field 2 is not closed'],
    ['id,id\n1,2\n', '', "the column 'id' is there twice"],
    ['id,__proto__\n1,2\n', '', "'__proto__'"],
    ['id,"n\n1,2\n', '', 'names no columns'],
  ])('%j is refused', async (content, place, reason) => {
    const paths = await file('bad.csv', content);
    const error = await failureOf(readAll(FileSource.forCsv({ paths })));
    expect(error).toBeInstanceOf(StreamRecordError);
    expect(error.message).toContain(paths + place);
    expect(error.message).toContain(reason);
  });
});

describe('a header', () => {
  it('that is no UTF-8 is refused', async () => {
    const paths = await file('bad.csv', Buffer.from([0xc3, 10, 49, 10]));
    const error = await failureOf(readAll(FileSource.forCsv({ paths })));
    expect(error.message).toContain(`The first line of ${paths} names no columns: it is not valid UTF-8`);
    expect(error.message).toContain("'columns'");
  });
});

describe('a file that changes', () => {
  async function killed(paths: string) {
    const harness = new SourceHarness(FileSource.forNdjson({ paths }));
    await harness.run(2, 1);
    const restored = harness.checkpoint();
    await harness.close();
    return new SourceHarness(FileSource.forNdjson({ paths }), { restored });
  }

  it('does not go with an old position: shorter, longer, or written anew', async () => {
    for (const change of [
      (path: string) => truncate(path, 4),
      (path: string) => appendFile(path, '4\n'),
      (path: string) => utimes(path, 1, 1),
    ]) {
      const paths = await file('a', '1\n2\n3\n');
      const restored = await killed(paths);
      await change(paths);
      const error = await failureOf(restored.run());
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain(`${paths} has changed: 6 bytes of`);
      await restored.close();
    }
  });

  it('is said to be missing when it is', async () => {
    const paths = await file('a', '1\n2\n3\n');
    const restored = await killed(paths);
    await rm(paths);
    await expect(restored.run()).rejects.toThrow(`The file ${paths} cannot be opened`);
    await restored.close();
  });

  it('is found out also at its end', async () => {
    const paths = await file('a', '1\n2\n3\n');
    const harness = new SourceHarness(FileSource.forNdjson({ paths }));
    await harness.run(1, 1);
    await appendFile(paths, '4\n');
    await expect(harness.run()).rejects.toThrow('has changed');
    await harness.close();
  });

  it('may be gone once it was read to its end', async () => {
    const paths = await file('a', '1\n2\n');
    const harness = new SourceHarness(FileSource.forNdjson({ paths }));
    await harness.run(2);
    await harness.poll(0);
    const restored = harness.checkpoint();
    await harness.close();
    await rm(paths);
    const again = new SourceHarness(FileSource.forNdjson({ paths }), { restored });
    expect(await again.run()).toEqual([]);
    await again.close();
  });
});

describe('a watched directory', () => {
  const watch = { pollIntervalMs: 10 };

  type Watching = SourceHarness<unknown, never, never>;
  /** Polls until `count` records have come, and then until the directory was looked at twice more. */
  async function records(harness: Watching, count: number): Promise<readonly unknown[]> {
    while (harness.records.length < count) await harness.poll(0);
    const looks = harness.asyncCalls;
    while (harness.asyncCalls < looks + 3) await harness.poll(0);
    return harness.records;
  }
  const open = (restored?: unknown) =>
    new SourceHarness(
      FileSource.forNdjson({ paths: directory, watch }),
      restored === undefined ? {} : { restored: restored as never },
    ) as unknown as Watching;

  it('gives its files as they appear, each once, and does not end', async () => {
    expect(FileSource.forNdjson({ paths: directory, watch }).boundedness).toBe('unbounded');
    await file('a', '1\n');
    const harness = open();
    expect(await records(harness, 1)).toEqual([1]);
    await file('.b', '2\n');
    expect(await records(harness, 1)).toEqual([1]);
    await rename(join(directory, '.b'), join(directory, 'b'));
    expect(await records(harness, 2)).toEqual([1, 2]);
    expect(harness.hasEnded).toBe(false);
    const restored = harness.checkpoint();
    await harness.close();
    await file('c', '3\n');
    const second = open(restored);
    expect(await records(second, 1)).toEqual([3]);
    await second.close();
  });

  it('must not change what was taken', async () => {
    await file('a', '1\n');
    const harness = open();
    await records(harness, 1);
    await appendFile(join(directory, 'a'), '2\n');
    while (harness.failure === undefined) await harness.poll(0);
    expect(harness.failure).toBeInstanceOf(StreamRecordError);
    expect(harness.failure.message).toContain('had 2 bytes');
    await harness.close();
  });
});

describe('a file source', () => {
  it('says which path does not exist', async () => {
    const harness = new SourceHarness(FileSource.forNdjson({ paths: join(directory, 'none') }));
    while (harness.failure === undefined) await harness.poll(0);
    expect(harness.failure.message).toContain(join(directory, 'none'));
    await harness.close();
  });

  it.each([
    [{ paths: [] }, "'paths'"],
    [{ paths: '' }, "'paths'"],
    [{ paths: 'a', splitBytes: 0 }, "'splitBytes'"],
    [{ paths: 'a', chunkBytes: 1.5 }, "'chunkBytes'"],
    [{ paths: 'a', maxRecordBytes: NaN }, "'maxRecordBytes'"],
    [{ paths: 'a', watch: { pollIntervalMs: 0 } }, "'watch.pollIntervalMs'"],
  ])('refuses %j', (options, named) => {
    expect(() => FileSource.forNdjson(options)).toThrow(StreamConfigError);
    expect(() => FileSource.forNdjson(options)).toThrow(named);
  });

  it.each(['', ';;', '"', '\n', 'é'])('refuses the delimiter %j', (delimiter) => {
    expect(() => FileSource.forCsv({ paths: 'a', delimiter })).toThrow(StreamConfigError);
  });

  it('refuses columns that are there twice', () => {
    expect(() => FileSource.forCsv({ paths: 'a', columns: ['a', 'a'] })).toThrow(
      "the column 'a' is there twice",
    );
  });
});
