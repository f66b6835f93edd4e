import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { isSpoolFile, spoolEncoding, type NewerZlib } from '../src/spool/spool-encoding.js';
import { flights } from './support/sink-harness.js';
import { newWriter } from './support/spool-writers.js';

async function gzipped() {
  const { writer, directory, metrics, ledger } = await newWriter({ compression: 'gzip', minCommitRows: 200 });
  for (const row of flights(150)) writer.write(row);
  await writer.prepareCommit(); // a barrier in the middle
  for (const row of flights(150, 150)) writer.write(row);
  const [committable] = await writer.prepareCommit();
  return { committable: committable!, directory, metrics, ledger };
}

describe('Compressed spool files', () => {
  it('are gzip of the same rows, and say how large both are', async () => {
    const { committable, directory, metrics, ledger } = await gzipped();
    const content = await readFile(directory.resolve(committable.file));
    const text = gunzipSync(content);
    expect(committable.file).toMatch(/\.ndjson\.gz$/);
    expect(committable).toMatchObject({ rows: 300, bytes: content.length, textBytes: text.length });
    expect(text.toString('utf8').split('\n').length).toBe(301);
    expect(metrics.registry.value('operator_numBytesOut')).toBe(content.length);
    expect(ledger.bytes).toBe(content.length);
    await directory.verify(committable);
  });

  it('have the same bytes whenever the same rows are written (invariant 1)', async () => {
    const one = await gzipped();
    const id = one.committable.commitId;
    const two = await newWriter({ compression: 'gzip', minCommitRows: 200, createId: () => String(id) });
    for (const row of flights(150)) two.writer.write(row);
    await two.writer.prepareCommit();
    for (const row of flights(150, 150)) two.writer.write(row);
    expect((await two.writer.prepareCommit())[0]?.sha256).toBe(one.committable.sha256);
  });

  it('cannot be read wherever they are cut (invariant 2)', async () => {
    const { committable, directory } = await gzipped();
    const content = await readFile(directory.resolve(committable.file));
    for (let end = content.length - 1; end > 0; end -= end > content.length - 20 ? 1 : 31) {
      expect(() => gunzipSync(content.subarray(0, end))).toThrow(/unexpected end of file/);
    }
  });

  it('are told from other files by name', () => {
    const names = ['a.ndjson', 'a.ndjson.gz', 'a.ndjson.zst', 'server.json', 'a.gz', 'a.ndjson.tmp'];
    expect(names.filter(isSpoolFile)).toEqual(['a.ndjson', 'a.ndjson.gz', 'a.ndjson.zst']);
  });

  it('are zstd where Node has it, and else an error that says what to use', async () => {
    const library: NewerZlib = {
      zstdCompress: (data, done) => {
        done(null, Buffer.from(data).reverse());
      },
    };
    const encoding = spoolEncoding('zstd', library);
    expect(encoding.extension).toBe('.ndjson.zst');
    expect(await encoding.encode(Buffer.from('abc'))).toEqual(Buffer.from('cba'));
    expect(() => spoolEncoding('zstd', {})).toThrow(/'zstd', which Node [\d.]+ cannot do: use 'gzip'/);
  });
});
