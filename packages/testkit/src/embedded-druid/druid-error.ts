/** The HTTP answers that Druid gives when it refuses something, as observed on Druid 33. */

/** Categories of `druidException` bodies and the HTTP status that each one travels with. */
const STATUS_BY_CATEGORY = {
  INVALID_INPUT: 400,
  NOT_FOUND: 404,
  CONFLICT: 409,
  UNSUPPORTED: 501,
  TIMEOUT: 504,
  UNCATEGORIZED: 500,
  RUNTIME_FAILURE: 500,
  CANCELED: 500,
} as const;

export type DruidErrorCategory = keyof typeof STATUS_BY_CATEGORY;

/** A finished HTTP answer: the status, the body and its content type. */
export interface ErrorAnswer {
  status: number;
  contentType: string;
  body: string;
}

/** An error that already knows the HTTP answer it turns into. */
export class DruidHttpError extends Error {
  override readonly name = 'DruidHttpError';
  readonly answer: ErrorAnswer;

  constructor(message: string, answer: ErrorAnswer) {
    super(message);
    this.answer = answer;
  }
}

const jsonAnswer = (status: number, body: unknown): ErrorAnswer => ({
  status,
  contentType: 'application/json',
  body: JSON.stringify(body),
});

export interface DruidExceptionOptions {
  errorCode?: string;
  persona?: 'USER' | 'OPERATOR' | 'ADMIN' | 'DEVELOPER';
  category?: DruidErrorCategory;
  context?: Record<string, string>;
}

/** The body most of Druid's APIs use: `{error: "druidException", errorCode, persona, category, errorMessage, context}`. */
export function druidException(errorMessage: string, options: DruidExceptionOptions = {}): DruidHttpError {
  const { errorCode = 'invalidInput', persona = 'USER', category = 'INVALID_INPUT', context = {} } = options;
  const body = { error: 'druidException', errorCode, persona, category, errorMessage, context };
  return new DruidHttpError(errorMessage, jsonAnswer(STATUS_BY_CATEGORY[category], body));
}

/** What this server answers, always with 501, where it cannot give Druid's own answer faithfully. */
export function notSupported(what: string): DruidHttpError {
  return druidException(`${what} is not supported by EmbeddedDruid; run this against a real Druid`, {
    errorCode: 'unsupported',
    category: 'UNSUPPORTED',
    context: { server: 'EmbeddedDruid' },
  });
}

/** The body of requests that the server cannot read at all (`error: "Unknown exception"`). */
export function unreadableRequest(errorMessage: string, errorClass: string): DruidHttpError {
  const body = { error: 'Unknown exception', errorMessage, errorClass, host: null };
  return new DruidHttpError(errorMessage, jsonAnswer(400, body));
}

/** The short body with which the Overlord refuses a task or supervisor that it cannot construct. */
export function refusedSpec(message: string): DruidHttpError {
  return new DruidHttpError(message, jsonAnswer(400, { error: message }));
}

/** Plain-text answers, for example `Cannot find any task with id: [x]`. */
export function plainAnswer(status: number, body: string, contentType = 'text/plain'): DruidHttpError {
  return new DruidHttpError(body || `HTTP ${status}`, { status, contentType, body });
}

/** `legacyQueryException` bodies: time-outs, cancellations and failures while a query runs. */
export function queryFailure(
  legacy: string,
  errorClass: string,
  category: DruidErrorCategory,
  errorMessage: string,
): DruidHttpError {
  const body = {
    error: legacy,
    errorClass,
    host: null,
    errorCode: 'legacyQueryException',
    persona: 'OPERATOR',
    category,
    errorMessage,
    context: { host: null, errorClass, legacyErrorCode: legacy },
  };
  return new DruidHttpError(errorMessage, jsonAnswer(STATUS_BY_CATEGORY[category], body));
}
