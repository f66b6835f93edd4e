/** What the file sink writes the file source reads, as it was. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FileSink,
  FileSource,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type Sink,
  type Source,
} from '../../src/index.js';
import { csvEncoder } from '../../src/connectors/csv-encoder.js';
import { encodeRecord, lineEncoder, ndjsonEncoder } from '../../src/connectors/record-encoder.js';
import { nodeFileSystem, type SinkFileSystem } from '../../src/connectors/sink-file-system.js';
import { CollectingSink } from '../../src/testing/index.js';

let root: string;
let runs = 0;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'millrace-file-sink-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

/** The records as they come back, in any order. */
async function thereAndBack<T>(
  records: readonly T[],
  sinkOf: (directory: string) => Sink<T, never, never>,
  sourceOf: (directory: string) => Source<T, never, never>,
): Promise<T[]> {
  const directory = join(root, String(runs++));
  const writing = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
  writing
    .fromCollection([...records])
    .rebalance()
    .sinkTo(sinkOf(directory));
  await writing.execute('there');
  const reading = StreamExecutionEnvironment.getExecutionEnvironment();
  const found = new CollectingSink<T>();
  reading.fromSource(sourceOf(directory), WatermarkStrategy.noWatermarks(), 'files').sinkTo(found);
  await reading.execute('back');
  return found.values;
}

const sorted = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record)).sort();
/** The machine's, which keeps files long enough for these tests without being told to. */
const fileSystem: SinkFileSystem = {
  ...nodeFileSystem,
  syncDirectory: () => Promise.resolve(),
  async create(path) {
    const file = await nodeFileSystem.create(path);
    return {
      write: (bytes, position) => file.write(bytes, position),
      sync: () => Promise.resolve(),
      close: () => file.close(),
    };
  },
};
const options = (directory: string) => ({
  directory,
  rolling: { maxRecords: 3 },
  maxBufferedBytes: 20,
  fileSystem,
});
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 5 }),
  fc.string({ unit: fc.constantFrom(',', ';', '"', '\n', '\r', 'a', ' ', '\uFEFF'), maxLength: 5 }),
);

describe('what a file sink has written', () => {
  it('is read again as NDJSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue({ noUnicodeString: false }), { maxLength: 12 }),
        async (values) => {
          const records = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown); // no -0
          const found = await thereAndBack(
            records,
            (directory) => FileSink.forNdjson(options(directory)) as never,
            (directory) => FileSource.forNdjson({ paths: directory }) as never,
          );
          expect(sorted(found)).toEqual(sorted(records));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is read again as lines', async () => {
    const line = text.filter((each) => each !== '' && !each.includes('\n') && !/^\uFEFF|\r$/.test(each));
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), async (records) => {
        const found = await thereAndBack(
          records,
          (directory) => FileSink.forLines(options(directory)) as never,
          (directory) => FileSource.forLines({ paths: directory }) as never,
        );
        expect(sorted(found)).toEqual(sorted(records));
      }),
      { numRuns: 50 },
    );
  });

  it('is read again as CSV, with and without a header, with any delimiter', async () => {
    const columns = fc
      .uniqueArray(text, { minLength: 1, maxLength: 3 })
      .filter((names) => !names.includes('__proto__'));
    const files = columns.chain((names) =>
      fc.record({
        names: fc.constant(names),
        rows: fc.array(fc.tuple(...names.map(() => text)), { maxLength: 12 }),
        delimiter: fc.constantFrom(',', ';', '\t'),
        header: fc.boolean(),
      }),
    );
    await fc.assert(
      fc.asyncProperty(files, async ({ names, rows, delimiter, header }) => {
        const records = rows.map((row) =>
          Object.fromEntries(names.map((name, index) => [name, row[index]!])),
        );
        const found = await thereAndBack(
          records,
          (directory) =>
            FileSink.forCsv({ ...options(directory), columns: names, delimiter, header }) as never,
          (directory) =>
            FileSource.forCsv({
              paths: directory,
              delimiter,
              ...(header ? {} : { columns: names }),
            }) as never,
        );
        expect(sorted(found)).toEqual(sorted(records));
      }),
      { numRuns: 100 },
    );
  });
});

describe('record encoders', () => {
  it.each([
    ['', 'an empty line is no record for readers'],
    ['a\nb', 'a line must not contain a line break'],
    ['a\r', 'a line must not contain a line break'],
    ['\uFEFFa', 'a line must not begin with a byte order mark'],
    ['\uD800', 'it has half a surrogate pair, which UTF-8 cannot hold'],
    [1 as never, "a line must be a string; make one of it with 'format'"],
  ])('refuse the line %j, which would not be read as it is', (line, problem) => {
    expect(() =>
      encodeRecord(
        lineEncoder((record: string) => record),
        line,
      ),
    ).toThrow(`The record cannot be written: ${problem}. Correct it`);
  });

  it('refuse what JSON has nothing for', () => {
    const odd = { at: new Date(0), not: NaN, end: -Infinity, gone: undefined, half: '\uD800' };
    expect(encodeRecord(ndjsonEncoder(), odd)).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","not":null,"end":null,"half":"\\ud800"}\n',
    );
    expect(() => encodeRecord(ndjsonEncoder(), undefined)).toThrow('JSON has nothing for it');
    expect(() => encodeRecord(ndjsonEncoder(), 1n)).toThrow('cannot be written');
  });

  const csv = (format: (record: unknown) => object) =>
    csvEncoder({ columns: ['a', 'b'], format: format as never, delimiter: ',', hasHeader: true });

  it('write what is not there as an empty field, and refuse what is no column or no value', () => {
    const encoder = csv((record) => record as object);
    expect(encoder.header).toBe('a,b\n');
    expect(encoder.encode({ a: null })).toBe(',\n');
    expect(encoder.encode({ a: 1n, b: true })).toBe('1,true\n');
    expect(() => encodeRecord(encoder, { c: 1 })).toThrow("its field 'c' is none of the columns a, b");
    expect(() => encodeRecord(encoder, { a: {} })).toThrow("'a' is no string, number, bigint or boolean");
    expect(() => encodeRecord(encoder, { a: '\uDFFF' })).toThrow("'a' has half a surrogate pair");
  });

  it('refuse columns and delimiters that cannot be read again', () => {
    const make = (columns: readonly string[], delimiter = ',') =>
      FileSink.forCsv({ directory: 'out', columns, delimiter });
    expect(() => make([])).toThrow("'columns' of a file sink: there is none");
    expect(() => make(['a', 'a'])).toThrow("the column 'a' is there twice");
    expect(() => make(['a'], '"')).toThrow("'delimiter' of a file sink must be one ASCII character");
  });

  it('can be of any kind, also of bytes', async () => {
    const found = await thereAndBack(
      ['x', 'y'],
      (directory) =>
        FileSink.forEncoder<string>(
          {
            extension: '.log',
            header: new Uint8Array([35, 10]),
            encode: (record) => Buffer.from(`${record}\n`),
          },
          { directory, rolling: { maxRecords: 1 } },
        ) as never,
      (directory) =>
        FileSource.forLines({ paths: directory, include: (name) => name.endsWith('.log') }) as never,
    );
    expect([...found].sort()).toEqual(['#', '#', 'x', 'y']);
  });
});
