import { checkCount, checkDuration } from '../windows/durations.js';

/** When a file is finished and the next one begun. Whatever is reached first; all is finished at the end of the input. */
export interface RollingOptions {
  /** A file that has that many bytes is finished, at once. 128 MiB unless told. */
  readonly maxBytes?: number;
  /** A file that has that many records is finished, at once. No limit unless told. */
  readonly maxRecords?: number;
  /** A file that was begun that long ago is finished at the next checkpoint. A minute unless told. */
  readonly maxAgeMs?: number;
  /** A file that got nothing for that long is finished at the next checkpoint. A minute unless told. */
  readonly maxIdleMs?: number;
  /** Finishes all files at every checkpoint: readers see everything at once, in many small files. Not unless told. */
  readonly everyCheckpoint?: boolean;
}

export type RollingPolicy = Required<RollingOptions>;

/** @throws StreamConfigError */
export function rollingPolicy(options: RollingOptions = {}): RollingPolicy {
  const policy = {
    maxBytes: options.maxBytes ?? 128 * 1024 * 1024,
    maxRecords: options.maxRecords ?? Number.MAX_SAFE_INTEGER,
    maxAgeMs: options.maxAgeMs ?? 60_000,
    maxIdleMs: options.maxIdleMs ?? 60_000,
    everyCheckpoint: options.everyCheckpoint ?? false,
  };
  checkCount("'rolling.maxBytes' of a file sink", policy.maxBytes);
  checkCount("'rolling.maxRecords' of a file sink", policy.maxRecords);
  checkDuration("'rolling.maxAgeMs' of a file sink", policy.maxAgeMs);
  checkDuration("'rolling.maxIdleMs' of a file sink", policy.maxIdleMs);
  return policy;
}
