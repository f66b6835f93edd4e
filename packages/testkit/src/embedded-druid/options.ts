/** How an embedded Druid is configured from outside. */

/** Where "now" comes from: segment versions, creation times and durations. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

/** Receives what the server has to say; every method is optional. */
export interface EmbeddedLogger {
  debug?(message: string, details?: Record<string, unknown>): void;
  info?(message: string, details?: Record<string, unknown>): void;
  warn?(message: string, details?: Record<string, unknown>): void;
  error?(message: string, details?: Record<string, unknown>): void;
}

export interface EmbeddedDruidOptions {
  /** Port on 127.0.0.1; 0, the default, takes a free one. */
  port?: number;
  /** Folder for a database that survives restarts and crashes; without it everything is in memory. */
  dataDir?: string;
  logger?: EmbeddedLogger;
  /** Default: the system clock. */
  clock?: Clock;
  /** How long each task stays RUNNING before it starts to read, to watch the RUNNING state in tests. Default 0. */
  ingestDelayMs?: number;
}
