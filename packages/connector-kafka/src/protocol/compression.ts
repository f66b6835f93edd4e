import { compressionsAlgorithms, compressionsAlgorithmsByBitmask } from '@platformatic/kafka';
import { KafkaConfigError, KafkaRecordError } from '../errors.js';

/** How record batches are compressed. `zstd` needs a Node.js that has it (22.15, 23.8). */
export type KafkaCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** What Java's clients put before blocks of snappy: a magic, and two versions. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const SNAPPY = 2;

/** @throws KafkaConfigError where this Node.js cannot do it */
export function checkCompression(compression: KafkaCompression): void {
  const algorithm = compressionsAlgorithms[compression] as
    (typeof compressionsAlgorithms)['none'] | undefined;
  if (algorithm?.available === true) return;
  throw new KafkaConfigError(
    algorithm === undefined
      ? `'compression' is '${compression}'; it must be one of ${Object.keys(compressionsAlgorithms).join(', ')}.`
      : `'compression' is '${compression}', which Node.js ${process.versions.node} does not have. Use 'lz4', or a newer Node.js.`,
    { details: { compression } },
  );
}

/** The bits of a batch's attributes that say so. */
export function compressionBits(compression: KafkaCompression): number {
  return compressionsAlgorithms[compression].bitmask;
}

export function compress(compression: KafkaCompression, records: Buffer): Buffer {
  return compression === 'none' ? records : compressionsAlgorithms[compression].compressSync(records);
}

/** @throws KafkaRecordError for what this Node.js cannot read */
export function decompress(bits: number, records: Buffer): Buffer {
  if (bits === 0) return records;
  const algorithm = compressionsAlgorithmsByBitmask[bits];
  if (algorithm?.available !== true) {
    throw new KafkaRecordError(
      `A batch is compressed by algorithm ${bits} (1 gzip, 2 snappy, 3 lz4, 4 zstd), which Node.js ${process.versions.node} does not have. ` +
        "Use a newer Node.js (22.15 has zstd), or let the producers use 'lz4'.",
      { details: { compression: bits } },
    );
  }
  if (bits !== SNAPPY || !records.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    return algorithm.decompressSync(records);
  }
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < records.length;) {
    const end = at + 4 + records.readInt32BE(at);
    blocks.push(algorithm.decompressSync(records.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}
