import { gzipSync } from 'node:zlib';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { TransferredBytes } from '../src/index.js';
import { arrayLines, collect, failure, fakeDruid, json, type Handler } from './fake-druid.js';

const batch = (rows: string) => `{"segmentId":"s","columns":["n","s"],"events":${rows}}`;
const rows = Array.from({ length: 300 }, (_, n) => [n, `grün ${n}`]);
const scanText = `[${batch(JSON.stringify(rows.slice(0, 100)))},${batch(JSON.stringify(rows.slice(100)))}]`;
const scan = { dataSource: 'edits', intervals: ['2020/2021'], columns: ['n', 's'] } as const;

/** Answers packed, in pieces of `size` bytes, and only the first `length` of them. */
async function packed(response: ServerResponse, text: string, size = 1000, length = Infinity): Promise<void> {
  const bytes = gzipSync(text);
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  for (let at = 0; at < Math.min(length, bytes.length); at += size) {
    response.write(bytes.subarray(at, Math.min(length, at + size)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

const cancelled: Handler = (_, response) => json(response, 202, {});

describe('gzip', () => {
  it('is asked for only if the caller wants it', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, []));
    const { native, sql } = druid.client();
    await collect(native.scan(scan));
    await collect(native.scan(scan, { gzip: true }));
    await native.query({ queryType: 'x' }, { gzip: true });
    await native.timeBoundary({ dataSource: 'x' }, { gzip: true });
    await failure(sql.query('SELECT 1', { gzip: true }));
    expect(
      druid.seen.filter(({ method }) => method === 'POST').map(({ headers }) => headers['accept-encoding']),
    ).toEqual(['identity', 'gzip', 'gzip', 'gzip', 'gzip']);
  });

  it.each([1, 7, 1000])('is unpacked while it arrives, in pieces of %i', async (size) => {
    const druid = await fakeDruid((_, response) => packed(response, scanText, size));
    const transfers: TransferredBytes[] = [];
    const onTransfer = (transfer: TransferredBytes) => transfers.push(transfer);
    const batches = await collect(druid.client().native.scan(scan, { gzip: true, onTransfer }));
    expect(batches.flatMap((each) => each.rows)).toEqual(rows);
    expect(transfers).toEqual([
      { bytes: Buffer.byteLength(scanText), networkBytes: gzipSync(scanText).length },
    ]);
  });

  it('works for SQL, and for answers that are read whole', async () => {
    const text = arrayLines([['n', 'LONG', 'BIGINT']], ['[1]', '[2]']);
    const druid = await fakeDruid(({ url }, response) =>
      packed(response, url === '/druid/v2/sql' ? text : '[{"n":1}]'),
    );
    const { sql, native } = druid.client();
    const transfers: TransferredBytes[] = [];
    const options = { gzip: true, onTransfer: (transfer: TransferredBytes) => transfers.push(transfer) };
    expect(await sql.query('SELECT n', options)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(
      Buffer.concat(
        await collect(sql.streamBytes('SELECT n', { ...options, resultFormat: 'arrayLines' })),
      ).toString(),
    ).toBe(text);
    expect(await native.query({ queryType: 'x' }, options)).toEqual([{ n: 1 }]);
    expect(transfers.map(({ bytes }) => bytes)).toEqual([text.length, text.length, 9]);
  });

  it('may be declined by the server', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, JSON.parse(scanText)));
    const transfers: TransferredBytes[] = [];
    const onTransfer = (transfer: TransferredBytes) => transfers.push(transfer);
    expect(await collect(druid.client().native.scan(scan, { gzip: true, onTransfer }))).toHaveLength(2);
    expect(transfers[0]?.networkBytes).toBe(transfers[0]?.bytes);
  });

  it('never hides that a result was cut off, at whatever byte', async () => {
    const bytes = gzipSync(scanText);
    let length = 0;
    const druid = await fakeDruid((request, response, n) =>
      request.method === 'DELETE' ? cancelled(request, response, n) : packed(response, scanText, 500, length),
    );
    const { native } = druid.client({ retry: { maxAttempts: 1 } });
    for (length = 0; length < bytes.length; length += length < 30 || length > bytes.length - 30 ? 1 : 97) {
      let seen = 0;
      const error = await failure(
        (async () => {
          for await (const each of native.scan(scan, { gzip: true })) seen += each.rows.length;
        })(),
      );
      const isEarly = (error as { code: string }).code === 'DRUID_CONNECTION' && seen === 0;
      if (!isEarly)
        expect(error, `cut at ${length}`).toMatchObject({ code: 'DRUID_TRUNCATED', rowsReceived: seen });
      expect(await failure(native.query({ queryType: 'x' }, { gzip: true }))).toMatchObject({
        code: expect.stringMatching(/^DRUID_(CONNECTION|DECODE)$/) as unknown,
      });
    }
  });

  it('is an error that says so if the bytes are no gzip, and not tried again', async () => {
    const druid = await fakeDruid((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('[{"n":1}]'),
    );
    const { native } = druid.client();
    expect(await failure(native.query({ queryType: 'x' }, { gzip: true }))).toMatchObject({
      code: 'DRUID_DECODE',
      message: expect.stringMatching(
        /is no gzip, or is damaged \(incorrect header check, Z_DATA_ERROR\)/,
      ) as unknown,
    });
    expect(druid.seen).toHaveLength(1);
  });

  it('is an error that says so if it is damaged in the middle', async () => {
    const bytes = gzipSync(
      arrayLines(
        [['n', 'LONG', 'BIGINT']],
        Array.from({ length: 50_000 }, (_, n) => `[${n}]`),
      ),
    );
    bytes.fill(0xff, bytes.length - 2000, bytes.length - 1000);
    const druid = await fakeDruid((request, response, n) =>
      request.method === 'DELETE'
        ? cancelled(request, response, n)
        : response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes),
    );
    let rowCount = 0;
    const read = async () => {
      for await (const batch of druid.client().sql.stream('SELECT n', { gzip: true }))
        rowCount += batch.length;
    };
    expect(await failure(read())).toMatchObject({ code: 'DRUID_DECODE' });
    expect(rowCount).toBeGreaterThan(0);
    await expect.poll(() => druid.seen.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
  });

  it('reads a refusal that is packed', async () => {
    const druid = await fakeDruid((_, response) => {
      response.writeHead(400, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(gzipSync('{"errorMessage":"no such column"}'));
    });
    expect(await failure(druid.client().native.query({ queryType: 'x' }, { gzip: true }))).toMatchObject({
      code: 'DRUID_REMOTE',
      details: { druid: { errorMessage: 'no such column' } },
    });
  });

  it.each(['leaves the loop', 'runs out of patience'])(
    'frees the connection when the caller %s',
    async (how) => {
      const bytes = gzipSync(scanText, { level: 0 });
      const druid = await fakeDruid((request, response, n) => {
        if (request.method === 'DELETE') return cancelled(request, response, n);
        response.writeHead(200, { 'content-encoding': 'gzip' });
        return response.write(bytes.subarray(0, bytes.length - 20));
      });
      const { native } = druid.client();
      const run = async () => {
        for await (const _ of native.scan(scan, { gzip: true, timeoutMs: 50 }))
          if (how === 'leaves the loop') break;
      };
      if (how === 'leaves the loop') await run();
      else expect(await failure(run())).toMatchObject({ code: 'DRUID_TIMEOUT' });
      await expect
        .poll(() => [...druid.sockets].filter((socket) => socket.bytesWritten > 1000))
        .toHaveLength(0);
      expect(druid.seen.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
    },
  );

  it('uses the connection again afterwards', async () => {
    const druid = await fakeDruid((_, response) => packed(response, scanText));
    const { native } = druid.client();
    for (let i = 0; i < 3; i++) await collect(native.scan(scan, { gzip: true }));
    expect(druid.sockets.size).toBe(1);
  });
});
