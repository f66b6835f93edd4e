/**
 * How rows become a spool file's bytes. Each chunk is compressed by itself, in a thread of libuv's, so that a file can be cut
 * off behind any of them and carried on.
 *
 * Invariants:
 * 1. The same chunks give the same bytes, in every process.
 * 2. A gzip file is one member, from its header to its trailer: wherever it is cut, its reader notices. (Java's reader takes a
 *    connection that breaks between two members for the end of the file.)
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { DruidSinkConfigError } from '../errors.js';

/** How spool files are compressed, on disk and on their way to Druid. */
export type SpoolCompression = 'none' | 'gzip' | 'zstd';

export interface SpoolEncoding {
  /** Ends the names of its files, and so tells Druid how to read them. */
  readonly extension: '.ndjson' | '.ndjson.gz' | '.ndjson.zst';
  readonly header: Buffer;
  encode(text: Buffer): Buffer | Promise<Buffer>;
  /** Of all text so far, for the trailer. */
  checksum(text: Buffer, before: number): number;
  trailer(checksum: number, textBytes: number): Buffer;
}

type Convert = (data: Buffer, done: (error: Error | null, result: Buffer) => void) => void;

/** What Node 22.15 and newer have besides; the types are those of the oldest version. */
export interface NewerZlib {
  readonly zstdCompress?: Convert;
  readonly zstdDecompress?: Convert;
}

const NOTHING = Buffer.alloc(0);

const deflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);
/** Level 1 is several times as fast as the default, for files a tenth larger. A full flush forgets all text before it. */
const DEFLATE = { level: 1, finishFlush: zlib.constants.Z_FULL_FLUSH };

const plain: SpoolEncoding = {
  extension: '.ndjson',
  header: NOTHING,
  encode: (text) => text,
  checksum: () => 0,
  trailer: () => NOTHING,
};

const gzip: SpoolEncoding = {
  extension: '.ndjson.gz',
  // RFC 1952: deflate, no name, no time, no system (invariant 1).
  header: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]),
  encode: (text) => deflateRaw(text, DEFLATE),
  checksum: (text, before) => zlib.crc32(text, before),
  trailer(checksum, textBytes) {
    const trailer = Buffer.alloc(10);
    trailer[0] = 3; // the last block, which is empty (invariant 2)
    trailer.writeUInt32LE(checksum, 2);
    trailer.writeUInt32LE(textBytes % 2 ** 32, 6);
    return trailer;
  },
};

/** A file of frames, one per chunk. Its reader passes the failure of a connection on. */
const zstdFile: SpoolEncoding = { ...plain, extension: '.ndjson.zst' };

/** @throws DruidSinkConfigError where this Node cannot compress so */
export function spoolEncoding(compression: SpoolCompression, library = zlib as NewerZlib): SpoolEncoding {
  if (compression === 'none') return plain;
  if (compression === 'gzip') return gzip;
  if (library.zstdCompress === undefined) {
    throw new DruidSinkConfigError(
      `Option 'compression' of the Druid sink is 'zstd', which Node ${process.versions.node} cannot do: ` +
        `use 'gzip', or Node 22.15 or newer.`,
      { details: { option: 'compression', value: 'zstd' } },
    );
  }
  return { ...zstdFile, encode: promisify(library.zstdCompress) };
}

/** How a file that exists was begun: `current` where it was the same, else enough to finish it. */
export function encodingOfFile(file: string, current: SpoolEncoding): SpoolEncoding {
  return [current, gzip, plain, zstdFile].find(({ extension }) => file.endsWith(extension)) ?? plain;
}

/** Whether a directory's entry is a spool file. */
export function isSpoolFile(name: string): boolean {
  return /\.ndjson(?:\.gz|\.zst)?$/.test(name);
}

/** The rows of a file that {@link spoolEncoding} has compressed. */
export async function decodeSpoolFile(file: string, content: Buffer): Promise<string> {
  const { zstdDecompress } = zlib as NewerZlib;
  if (file.endsWith(gzip.extension)) return (await promisify(zlib.gunzip)(content)).toString('utf8');
  if (file.endsWith('.zst') && zstdDecompress !== undefined)
    return (await promisify(zstdDecompress)(content)).toString('utf8');
  return content.toString('utf8');
}
