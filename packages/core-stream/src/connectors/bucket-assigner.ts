import { StreamRecordError } from '../errors.js';
import { isVisible } from './file-listing.js';

/** About the record whose bucket is asked for. */
export interface BucketContext {
  /** Event time in epoch milliseconds; `undefined` where the record has none. */
  readonly timestamp: number | undefined;
  readonly currentWatermark: number;
  /** In epoch milliseconds. */
  currentProcessingTime(): number;
}

/**
 * Names the directory that a record's file goes to: a path relative to the sink's, `''` for that itself. Asked for every
 * record, so it should be quick. The object is reused for all calls.
 */
export type BucketAssigner<T> = (value: T, context: BucketContext) => string;

/** What file systems take: 255 bytes for a name, 4,096 for a path, of which the rest is for where the sink is. */
const MAX_NAME_BYTES = 255;
const MAX_BUCKET_BYTES = 2_048;

/** @throws StreamRecordError where the bucket could not be made, readers would not find it, or it would be somewhere else */
export function checkBucket(bucket: string): void {
  if (bucket === '') return;
  const isFine =
    typeof bucket === 'string' &&
    !/[\\\0]|\p{Surrogate}/u.test(bucket) &&
    Buffer.byteLength(bucket) <= MAX_BUCKET_BYTES &&
    bucket.split('/').every(isName);
  if (isFine) return;
  throw new StreamRecordError(
    'A bucket must be a relative path of names that do not begin with a dot or an underscore (readers leave those out), ' +
      `of ${MAX_NAME_BYTES} bytes each and ${MAX_BUCKET_BYTES} together at most, got ${JSON.stringify(bucket)}`,
  );
}

function isName(name: string): boolean {
  return name !== '' && isVisible(name) && Buffer.byteLength(name) <= MAX_NAME_BYTES;
}
