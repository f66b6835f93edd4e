import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import * as zlib from 'node:zlib';

const NEWLINE = 10;

/** The lines of an NDJSON file (`.gz`, `.zst`: compressed) that are asked for, by number from 1; those it has not are left out. */
export async function linesAt(
  path: string,
  numbers: ReadonlySet<number>,
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  let number = 1;
  let parts: Buffer[] = [];
  for await (const chunk of textOf(path)) {
    const data = chunk as Buffer;
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      if (numbers.has(number)) {
        found.set(number, Buffer.concat([...parts, data.subarray(start, end)]).toString('utf8'));
        if (found.size === numbers.size) return found;
      }
      number += 1;
      parts = [];
      start = end + 1;
    }
    if (numbers.has(number)) parts.push(data.subarray(start));
  }
  return found;
}

function textOf(path: string): Readable {
  const file = createReadStream(path);
  if (path.endsWith('.gz')) return decompressed(file, zlib.createGunzip());
  const { createZstdDecompress } = zlib as NewerZlib;
  return path.endsWith('.zst') && createZstdDecompress !== undefined
    ? decompressed(file, createZstdDecompress())
    : file;
}

function decompressed(file: Readable, decompress: zlib.Gunzip): Readable {
  // The reader of the result is told of every failure, and may leave before the end.
  pipeline(file, decompress, () => undefined);
  return decompress;
}

/** Node 22.15 has it; the types are those of the oldest version that is supported. */
interface NewerZlib {
  readonly createZstdDecompress?: () => zlib.Gunzip;
}
