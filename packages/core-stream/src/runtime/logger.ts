/** Facts about an event, for structured logs. Never credentials. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the library reports to. It never prints by itself. `console` is one; pino becomes one by `fieldsFirst`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Methods that take the fields first, as pino's do. */
export interface FieldsFirstLogger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/**
 * A logger for pino and others of its shape, which would drop fields that come after the message.
 *
 * @example
 * StreamExecutionEnvironment.getExecutionEnvironment({ logger: fieldsFirst(pino()) })
 */
export function fieldsFirst(logger: FieldsFirstLogger): Logger {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  };
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
