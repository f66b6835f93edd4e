/**
 * Whether and when a job that has failed starts again: decisions only.
 *
 * `(strategy, history, failure) → (history, delay | give up)`; the supervisor waits and starts. No clock, no randomness of
 * its own. Names and defaults are Flink's.
 */
import { StreamConfigError } from '../errors.js';
import { checkCount, checkDuration } from '../windows/durations.js';

/** Says when a job starts again after a failure. Made by `RestartStrategies`. */
export type RestartStrategy =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'fixed-delay' } & Readonly<Required<FixedDelayRestartOptions>>)
  | ({ readonly kind: 'exponential-delay' } & Readonly<Required<ExponentialDelayRestartOptions>>)
  | ({ readonly kind: 'failure-rate' } & Readonly<Required<FailureRateRestartOptions>>);

/** A number of restarts, with the same wait before each. */
export interface FixedDelayRestartOptions {
  /** Restarts in all, over the whole life of the job; 1 unless told, `Infinity` for no limit. */
  readonly attempts?: number;
  /** The wait before each, in milliseconds; 1,000 unless told. */
  readonly delayMs?: number;
}

/** Waits that grow from failure to failure, until the job has run well for a while. */
export interface ExponentialDelayRestartOptions {
  /** The first wait in milliseconds; 1,000 unless told. */
  readonly initialBackoffMs?: number;
  /** The longest wait in milliseconds; 60,000 unless told. */
  readonly maxBackoffMs?: number;
  /** Each wait is this many times the one before; 1.5 unless told, above 1. */
  readonly backoffMultiplier?: number;
  /** Each wait is up to this share shorter or longer, by chance, within the first and the longest; 0.1 unless told. */
  readonly jitterFactor?: number;
  /** A job that ran for this long since its restart begins with the first wait again; in milliseconds, an hour unless told. */
  readonly resetBackoffThresholdMs?: number;
  /** Restarts without such a time between them, before the job gives up; no limit unless told. */
  readonly attemptsBeforeResetBackoff?: number;
}

/** Restarts as long as failures are rare. */
export interface FailureRateRestartOptions {
  /** The job gives up at the failure that exceeds this number within the interval; 1 unless told. */
  readonly maxFailuresPerInterval?: number;
  /** In milliseconds; a minute unless told. */
  readonly failureRateIntervalMs?: number;
  /** The wait before each restart, in milliseconds; 1,000 unless told. */
  readonly delayMs?: number;
}

const NONE: RestartStrategy = { kind: 'none' };

/**
 * Flink's restart strategies. None is the default.
 *
 * @example
 * env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 3, delayMs: 10_000 }));
 */
export const RestartStrategies = {
  /** The first failure is the job's end. */
  none: (): RestartStrategy => NONE,

  /** @throws StreamConfigError `MILLRACE_CONFIG` for options that make no sense */
  fixedDelay(options: FixedDelayRestartOptions = {}): RestartStrategy {
    const { attempts = 1, delayMs = 1_000 } = options;
    checkAttempts('attempts', attempts);
    checkDelay(delayMs);
    return { kind: 'fixed-delay', attempts, delayMs };
  },

  /** @throws StreamConfigError `MILLRACE_CONFIG` for options that make no sense */
  exponentialDelay(options: ExponentialDelayRestartOptions = {}): RestartStrategy {
    const strategy = {
      kind: 'exponential-delay',
      initialBackoffMs: options.initialBackoffMs ?? 1_000,
      maxBackoffMs: options.maxBackoffMs ?? 60_000,
      backoffMultiplier: options.backoffMultiplier ?? 1.5,
      jitterFactor: options.jitterFactor ?? 0.1,
      resetBackoffThresholdMs: options.resetBackoffThresholdMs ?? 3_600_000,
      attemptsBeforeResetBackoff: options.attemptsBeforeResetBackoff ?? Infinity,
    } as const;
    const { initialBackoffMs, maxBackoffMs, backoffMultiplier, jitterFactor } = strategy;
    checkDuration('initialBackoffMs', initialBackoffMs);
    checkDuration('maxBackoffMs', maxBackoffMs);
    checkDuration('resetBackoffThresholdMs', strategy.resetBackoffThresholdMs);
    checkAttempts('attemptsBeforeResetBackoff', strategy.attemptsBeforeResetBackoff);
    if (initialBackoffMs > maxBackoffMs) {
      throw new StreamConfigError(
        `initialBackoffMs must not be above maxBackoffMs, got ${initialBackoffMs} and ${maxBackoffMs}.`,
      );
    }
    if (!(backoffMultiplier > 1 && backoffMultiplier < Infinity)) {
      throw new StreamConfigError(
        `backoffMultiplier must be a number above 1, got ${backoffMultiplier}. For equal waits use RestartStrategies.fixedDelay.`,
      );
    }
    if (!(jitterFactor >= 0 && jitterFactor <= 1)) {
      throw new StreamConfigError(`jitterFactor must be between 0 and 1, got ${jitterFactor}.`);
    }
    return strategy;
  },

  /** @throws StreamConfigError `MILLRACE_CONFIG` for options that make no sense */
  failureRate(options: FailureRateRestartOptions = {}): RestartStrategy {
    const { maxFailuresPerInterval = 1, failureRateIntervalMs = 60_000, delayMs = 1_000 } = options;
    checkCount('maxFailuresPerInterval', maxFailuresPerInterval);
    checkDuration('failureRateIntervalMs', failureRateIntervalMs);
    checkDelay(delayMs);
    return { kind: 'failure-rate', maxFailuresPerInterval, failureRateIntervalMs, delayMs };
  },
};

/** What a strategy has to know of a job's failures so far. */
export interface RestartHistory {
  /** Restarts since the strategy last began anew. */
  readonly attempts: number;
  /** When the job was last restarted, in epoch milliseconds; −∞ before the first restart. */
  readonly restartedAt: number;
  /** Failures that still count, oldest first: `maxFailuresPerInterval` at most. */
  readonly failures: readonly number[];
}

export const NO_FAILURES: RestartHistory = { attempts: 0, restartedAt: -Infinity, failures: [] };

export interface RestartDecision {
  readonly history: RestartHistory;
  /** `undefined`: give up. */
  readonly delayMs: number | undefined;
}

/** `random` gives numbers from 0 (included) to 1 (excluded). */
export function decideRestart(
  strategy: RestartStrategy,
  history: RestartHistory,
  failedAt: number,
  random: () => number,
): RestartDecision {
  const giveUp: RestartDecision = { history, delayMs: undefined };
  const restart = (attempts: number, delayMs: number, failures: readonly number[] = []): RestartDecision => ({
    history: { attempts, restartedAt: failedAt + delayMs, failures },
    delayMs,
  });
  switch (strategy.kind) {
    case 'none':
      return giveUp;
    case 'fixed-delay': {
      const attempts = history.attempts + 1;
      return attempts > strategy.attempts ? giveUp : restart(attempts, strategy.delayMs);
    }
    case 'exponential-delay': {
      const hasRunWell = failedAt - history.restartedAt >= strategy.resetBackoffThresholdMs;
      const attempts = hasRunWell ? 1 : history.attempts + 1;
      if (attempts > strategy.attemptsBeforeResetBackoff) return giveUp;
      return restart(attempts, backoffMs(strategy, attempts, random));
    }
    case 'failure-rate': {
      const since = failedAt - strategy.failureRateIntervalMs;
      const failures = [...history.failures.filter((at) => at >= since), failedAt];
      if (failures.length > strategy.maxFailuresPerInterval) return giveUp;
      return restart(history.attempts + 1, strategy.delayMs, failures);
    }
  }
}

function backoffMs(
  strategy: Extract<RestartStrategy, { kind: 'exponential-delay' }>,
  attempts: number,
  random: () => number,
): number {
  const { initialBackoffMs, maxBackoffMs, backoffMultiplier, jitterFactor } = strategy;
  const base = Math.min(maxBackoffMs, initialBackoffMs * backoffMultiplier ** (attempts - 1));
  const jittered = base + (2 * random() - 1) * jitterFactor * base;
  return Math.round(Math.max(initialBackoffMs, Math.min(maxBackoffMs, jittered)));
}

function checkAttempts(name: string, value: number): void {
  if (value !== Infinity) checkCount(name, value);
}

function checkDelay(delayMs: number): void {
  if (Number.isSafeInteger(delayMs) && delayMs >= 0) return;
  throw new StreamConfigError(`delayMs must be a whole number of milliseconds, 0 or more, got ${delayMs}.`);
}
