/** Facts about an event, for structured logs. Never credentials. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the library reports to. It never prints by itself. The shape fits pino's and console's methods. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A logger that tells `scope` with everything; what is told goes before. */
export function scopedLogger(logger: Logger, scope: LogFields): Logger {
  if (logger === silentLogger) return logger;
  return {
    debug: (message, fields) => logger.debug(message, { ...scope, ...fields }),
    info: (message, fields) => logger.info(message, { ...scope, ...fields }),
    warn: (message, fields) => logger.warn(message, { ...scope, ...fields }),
    error: (message, fields) => logger.error(message, { ...scope, ...fields }),
  };
}

const ignore = (): void => undefined;

/** Says nothing: the default. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
