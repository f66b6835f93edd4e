/** Brings the input of a task into one local file and notes what DuckDB's reader would not notice. */

import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { InputSource } from './ingestion-spec.js';

/** The fetched input. */
export interface TaskInput {
  path: string;
  bytes: number;
  lines: number;
  /** Some line holds JSON that DuckDB's lenient reader accepts and Druid's does not. */
  lenient: boolean;
}

/** Trailing commas and bare NaN or Infinity: DuckDB reads them, Jackson does not. Also matches inside strings. */
const LENIENT_JSON = /,\s*[}\]]|[:,[]\s*-?(?:nan|inf)/i;
const NEWLINE = 10;
const MAX_ATTEMPTS = 3;

/**
 * Copies all parts of the input, each ended with a newline, into `path`.
 *
 * @throws when an HTTP source does not answer 200 or breaks off, three times in a row.
 */
export async function fetchInput(input: InputSource, path: string, signal: AbortSignal): Promise<TaskInput> {
  const stats = { path, bytes: 0, lines: 0, lenient: false };
  await writeFile(path, '');
  for (const open of await openers(input, signal)) await copyPart(open, path, stats, signal);
  return stats;
}

async function copyPart(
  open: () => Promise<Readable>,
  path: string,
  stats: TaskInput,
  signal: AbortSignal,
): Promise<void> {
  const start = { ...stats };
  const offset = (await stat(path)).size;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await truncate(path, offset);
      const target = createWriteStream(path, { flags: 'r+', start: offset });
      await pipeline(await open(), observer(stats), target, { signal });
      return;
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || signal.aborted) throw error;
      Object.assign(stats, start);
    }
  }
}

/** Counts lines and looks for lenient JSON while the bytes pass by. */
function observer(stats: TaskInput): Transform {
  let last = NEWLINE;
  let tail = '';
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      stats.bytes += chunk.length;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) stats.lines += 1;
      if (!stats.lenient) {
        const text = tail + chunk.toString('latin1');
        stats.lenient = LENIENT_JSON.test(text);
        tail = text.slice(-64);
      }
      last = chunk[chunk.length - 1] ?? last;
      done(null, chunk);
    },
    flush(done) {
      if (last === NEWLINE) return done();
      stats.lines += 1;
      done(null, Buffer.from('\n'));
    },
  });
}

async function openers(input: InputSource, signal: AbortSignal): Promise<(() => Promise<Readable>)[]> {
  switch (input.type) {
    case 'inline':
      return [() => Promise.resolve(Readable.from([Buffer.from(input.data)]))];
    case 'http':
      return input.uris.map((uri) => () => openHttp(uri, input.headers, signal));
    case 'local': {
      const files = await localFiles(input);
      return files.map((file) => () => Promise.resolve(unpacked(createReadStream(file), file)));
    }
  }
}

async function localFiles(input: Extract<InputSource, { type: 'local' }>): Promise<string[]> {
  if (input.baseDir === undefined) return input.files;
  const { baseDir } = input;
  const pattern = new RegExp(
    `^${(input.filter ?? '*')
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  const entries = await readdir(baseDir, { withFileTypes: true });
  const found = entries
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map(({ name }) => join(baseDir, name));
  return [...input.files, ...found.sort()];
}

async function openHttp(
  uri: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Readable> {
  const response = await fetch(uri, { headers, signal });
  if (response.status !== 200 || !response.body) {
    await response.body?.cancel();
    throw new Error(
      `java.io.IOException: Server returned HTTP response code: ${response.status} for URL: ${uri}`,
    );
  }
  return unpacked(
    Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
    new URL(uri).pathname,
  );
}

const unpacked = (stream: Readable, name: string): Readable =>
  name.endsWith('.gz') ? (stream.compose(createGunzip()) as unknown as Readable) : stream;
