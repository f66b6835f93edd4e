import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { DruidResponse } from './body-chunks.js';

// Larger pieces than zlib's own 16 kB: a piece costs a turn of the event loop and a pass of the parser.
const pieceBytes = 65_536;

/**
 * The answer with its body unpacked while it is read, if the server has packed it; a server need not. Destroying the
 * body frees the connection. A body that ends in the middle of its compressed data, or is no gzip, ends in zlib's error.
 */
export function unpacked(response: DruidResponse): DruidResponse {
  const { 'content-encoding': encoding, 'content-length': _, ...headers } = response.headers;
  if (encoding === undefined || !/^\s*(x-)?gzip\s*$/i.test(encoding)) return response;
  const body = createGunzip({ chunkSize: pieceBytes });
  // Errors of either stream arrive at whoever reads the body.
  pipeline(response.body, body, () => undefined);
  return { ...response, headers, body, packedBytes: () => body.bytesWritten };
}
