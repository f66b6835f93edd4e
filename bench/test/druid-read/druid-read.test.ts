import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readByCurl } from '../../src/druid-read/curl.js';
import { COLUMNS, expectedSum, flightRow, INTERVAL, writeFlights } from '../../src/druid-read/flights.js';
import { PATHS, type ReadPath } from '../../src/druid-read/paths.js';
import { openReader } from '../../src/druid-read/readers.js';
import { reportOf, requireAll, type RowTally } from '../../src/druid-read/report.js';

const count = 25;
const all: RowTally = { rows: count, sum: expectedSum(count) };
const rows = Array.from({ length: count }, (_, i) => {
  const { time, origin, destination, delay, distance } = flightRow(i, count);
  return [time, origin, destination, delay, distance];
});
const objects = rows.map((row) => Object.fromEntries(COLUMNS.map((name, i) => [name, row[i]])));
const lines = (values: readonly unknown[]) =>
  `${values.map((value) => `${JSON.stringify(value)}\n`).join('')}\n`;
const types = ['LONG', 'STRING', 'STRING', 'LONG', 'LONG'];

/** What Druid would answer. */
function answer(path: string, body: Readonly<Record<string, unknown>>): string {
  if (path === '/druid/v2') return JSON.stringify([{ segmentId: 's', columns: COLUMNS, events: rows }]);
  switch (body['resultFormat'] ?? 'object') {
    case 'arrayLines':
      return lines(body['header'] === true ? [COLUMNS, types, types, ...rows] : rows);
    case 'objectLines':
      return lines(objects);
    case 'array':
      return JSON.stringify(rows);
    case 'csv':
      return `${rows.join('\n')}\n\n`;
    default:
      return JSON.stringify(objects);
  }
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function fakeDruid(): Promise<string> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part) => (text += part));
    request.on('end', () => {
      const path = (request.url ?? '').replace(/\/$/, '');
      response.end(answer(path, JSON.parse(text) as Readonly<Record<string, unknown>>));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const inNode = PATHS.filter(
  (path): path is ReadPath & { readonly reader: Exclude<ReadPath['reader'], 'pydruid'> } =>
    path.reader !== 'pydruid',
);

describe('the benchmark of reading', () => {
  it.each(inNode.map((path) => [path.name, path] as const))('reads everything by %s', async (_, path) => {
    const url = await fakeDruid();
    const { reader, format, request } = path;
    const read = await openReader({ reader, format, url, body: request.body });
    const tally = await read();
    const bytes = answer(request.path, request.body).length;
    requireAll(path.name, { tally, seconds: 0, cpuSeconds: 0, peakRssMb: 0 }, { ...all, bytes });
  });

  it('knows what curl fetched', async () => {
    const url = await fakeDruid();
    const { request } = PATHS[0] as ReadPath;
    const { bytes, seconds } = await readByCurl(`${url}${request.path}`, request);
    expect(bytes).toBe(answer(request.path, request.body).length);
    expect(seconds).toBeGreaterThan(0);
  });

  it('refuses a reading that lacks rows, or has others', () => {
    const outcome = (tally: RowTally | { readonly bytes: number }) => ({
      tally,
      seconds: 1,
      cpuSeconds: 1,
      peakRssMb: 1,
    });
    const expected = { ...all, bytes: 9 };
    for (const tally of [{ rows: all.rows - 1, sum: all.sum }, { ...all, sum: 0 }, { bytes: 8 }]) {
      expect(() => requireAll('scan', outcome(tally), expected)).toThrow('scan read');
    }
    requireAll('scan', outcome(all), expected);
    requireAll('scan', outcome({ bytes: 9 }), expected);
  });

  it('reports the best run of each, and the most memory', () => {
    const measurement = (curl: number, seconds: number, cpuSeconds: number, peakRssMb: number) => ({
      curl: { seconds: curl, bytes: 1 },
      outcome: { tally: all, seconds, cpuSeconds, peakRssMb },
    });
    expect(reportOf('scan', 1000, [measurement(2, 5, 1, 90), measurement(3, 4, 2, 80)])).toEqual({
      path: 'scan',
      rows: 1000,
      seconds: 4,
      rowsPerSecond: 250,
      cpuSeconds: 2,
      curlSeconds: 2,
      ratioToCurl: 0.5,
      peakRssMb: 90,
    });
  });

  it('writes rows that lie in the interval', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'druid-read-test-'));
    closing.push(() => rm(folder, { recursive: true }));
    const file = join(folder, 'rows.ndjson');
    await writeFlights(file, count);
    const written = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual(
      rows.map((_, i) => flightRow(i, count)),
    );
    const [start = '', end = ''] = INTERVAL.split('/');
    const times = rows.map(([time]) => time as number);
    expect(Math.min(...times)).toBe(Date.parse(start));
    expect(Math.max(...times)).toBeLessThan(Date.parse(end));
  });
});
