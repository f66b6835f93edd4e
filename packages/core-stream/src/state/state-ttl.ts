import { StreamConfigError } from '../errors.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';

/**
 * How long state is kept after it was last written (or read): its time to live. List elements and map entries age one by
 * one. State is expired as soon as `ttlMs` have passed, and is removed then when it is read, and bit by bit while other
 * state is written and at checkpoints.
 */
export interface StateTtlConfig {
  /** Milliseconds. */
  readonly ttlMs: number;
  /**
   * Which time makes state age; `processing-time` unless told. Event time is the operator's watermark, and the timer's
   * timestamp while an event-time timer fires; what was written before the first watermark begins to age with it. In
   * batch mode event time stands still within a key: nothing expires by it.
   */
  readonly timeDomain?: 'processing-time' | 'event-time';
  /** What makes state young again; `on-create-and-write` unless told. */
  readonly updateType?: 'on-create-and-write' | 'on-read-and-write';
  /** Whether expired state that is still there may be read, once; `never-return-expired` unless told. */
  readonly visibility?: 'never-return-expired' | 'return-expired-if-not-cleaned-up';
}

/** Where ageing state takes the time from. */
export interface StateTime {
  /** Epoch milliseconds of the engine's clock. */
  processingTime(): number;
  /** The event time that has been reached; `MIN_TIMESTAMP` before the first watermark. */
  eventTime(): number;
}

/** @throws StreamConfigError for a TTL that is no duration */
export function checkTtl(stateName: string, ttl: StateTtlConfig | undefined): StateTtlConfig | undefined {
  if (ttl === undefined || ttl.ttlMs > 0) return ttl;
  throw new StreamConfigError(
    `The TTL of state '${stateName}' must be more than 0 milliseconds, got ${ttl.ttlMs}. Leave the TTL out to keep state for ever.`,
    { details: { state: stateName, ttlMs: ttl.ttlMs } },
  );
}

/** One state's TTL, with the time at hand. */
export class Ttl {
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** The first time after `MIN_TIMESTAMP` that was seen: what is older begins to age with it. */
  #beginning = MIN_TIMESTAMP;
  readonly touchesOnRead: boolean;
  readonly returnsExpired: boolean;

  constructor(config: StateTtlConfig, time: StateTime) {
    this.#ttlMs = config.ttlMs;
    this.#now = config.timeDomain === 'event-time' ? () => time.eventTime() : () => time.processingTime();
    this.touchesOnRead = config.updateType === 'on-read-and-write';
    this.returnsExpired = config.visibility === 'return-expired-if-not-cleaned-up';
  }

  now(): number {
    const now = this.#now();
    if (this.#beginning === MIN_TIMESTAMP) this.#beginning = now;
    return now;
  }

  /** Also right at the infinite ends of event time, where the difference is NaN and nothing expires. */
  isExpired(touchedAt: number, now: number): boolean {
    return now - (touchedAt === MIN_TIMESTAMP ? this.#beginning : touchedAt) >= this.#ttlMs;
  }
}
