import { StreamConfigError } from '../errors.js';
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

/** @throws StreamConfigError where readers would not find the bucket, or it would be somewhere else */
export function checkBucket(bucket: string): void {
  if (bucket === '') return;
  const isFine =
    typeof bucket === 'string' &&
    !/[\\\0]|\p{Surrogate}/u.test(bucket) &&
    bucket.split('/').every((name) => name !== '' && isVisible(name));
  if (isFine) return;
  throw new StreamConfigError(
    `A bucket must be a relative path of names that do not begin with a dot or an underscore (readers leave those out), got ${JSON.stringify(bucket)}`,
  );
}
