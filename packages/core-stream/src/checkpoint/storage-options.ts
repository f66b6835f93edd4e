import { StreamConfigError } from '../errors.js';
import type { Logger } from '../runtime/logger.js';
import type { LeaseEnvironment } from './lease-environment.js';

/** What a storage keeps, and how it is owned. */
export interface BlobCheckpointStorageOptions {
  /** How many checkpoints are kept; 2 unless told. */
  readonly retained?: number;
  /**
   * Starts from this checkpoint instead of the newest one; newer ones are given up. What was committed since is written
   * again. Applies until the first `write`; take it out when the job has started.
   */
  readonly restoreFrom?: number;
  /**
   * Milliseconds without a sign of life after which an owner on another host is taken for dead; 60,000 unless told. An owner
   * on this host is taken over as soon as its process is gone.
   */
  readonly leaseMs?: number;
  /** Is told what could not be removed; says nothing unless given. */
  readonly logger?: Logger;
  /** For tests: which process this is, and what time. */
  readonly environment?: LeaseEnvironment;
}

/** The longest that a timer of the system waits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @throws StreamConfigError `MILLRACE_CONFIG` for a number that makes no sense */
export function requireValid({
  retained = 2,
  restoreFrom = 1,
  leaseMs = 60_000,
}: BlobCheckpointStorageOptions) {
  demand(retained === Infinity || isWhole(retained, 0), 'retained', 'a whole number, or Infinity', retained);
  demand(isWhole(restoreFrom, 1), 'restoreFrom', 'the number of a checkpoint', restoreFrom);
  const longest = `more than 0 milliseconds, at most ${LONGEST_TIMER_MS}`;
  demand(leaseMs > 0 && leaseMs <= LONGEST_TIMER_MS, 'leaseMs', longest, leaseMs);
}

function isWhole(value: number, least: number): boolean {
  return Number.isInteger(value) && value >= least;
}

function demand(isRight: boolean, name: string, what: string, value: number): void {
  if (!isRight) throw new StreamConfigError(`A checkpoint storage's ${name} must be ${what}, got ${value}.`);
}
