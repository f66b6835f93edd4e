import { z } from 'zod';
import {
  DruidRemoteError,
  DruidThrottledError,
  type DruidError,
  type DruidErrorBody,
  type RequestDetails,
} from './errors.js';
import { requestSuffix } from './request.js';

const text = z.string().nullish();
const errorBodySchema = z.looseObject({
  error: text,
  errorCode: text,
  category: text,
  persona: text,
  errorMessage: text,
  errorClass: text,
  host: text,
  context: z.record(z.string(), z.unknown()).nullish(),
});

/** A refused request as it came off the wire. `body` is already redacted. */
export interface FailedResponse extends RequestDetails {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | undefined;
  /** It came after as many redirects as are followed. */
  readonly isEndlessRedirect?: boolean;
  readonly body: string;
}

// Categories and statuses that a later, identical request can get past.
const retryableStatuses: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** Maps a response that is not 2xx to {@link DruidThrottledError} (429) or {@link DruidRemoteError}. Pure, given `nowMs`. */
export function errorOfResponse(response: FailedResponse, nowMs: number): DruidError {
  const { method, url, requestId, status } = response;
  const druid = parseErrorBody(response.body);
  const said = druid?.errorMessage ?? druid?.error;
  const excerpt = druid === undefined ? plainExcerpt(response) : undefined;
  const words = said ?? (excerpt === undefined || isHtml(response) ? undefined : excerpt);
  const retryAfterMs = parseRetryAfterMs(response.retryAfter, nowMs);
  const details = {
    method,
    url,
    ...(requestId === undefined ? {} : { requestId }),
    status,
    druid: druid ?? {},
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(excerpt === undefined ? {} : { bodyExcerpt: excerpt }),
  };
  const hint = nextStep(response, druid);
  const message = `${method} ${url} answered ${status}${words === undefined ? '' : `: ${words.replace(/\.+$/, '')}`}.${hint}${requestSuffix(requestId)}`;
  if (status === 429) {
    return new DruidThrottledError({ message, details: { ...details, retryAfterMs }, retryable: true });
  }
  return new DruidRemoteError({ message, details, retryable: retryableStatuses.has(status) });
}

/** Druid's error body, in its present, its legacy (`errorClass`) and its Overlord (`{"error": …}` alone) shape. */
function parseErrorBody(body: string): DruidErrorBody | undefined {
  if (!body.trimStart().startsWith('{')) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = errorBodySchema.safeParse(innerError(json) ?? json);
  if (!parsed.success) return undefined;
  // Druid writes absent fields as null; inside this package they are absent.
  const present = Object.entries(parsed.data).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(present);
}

/** The multi-stage engine wraps Druid's error: `{"taskId":…,"state":"FAILED","error":{…}}`. */
function innerError(json: unknown): unknown {
  const wrapped = z.looseObject({ state: z.string(), error: z.looseObject({}) }).safeParse(json);
  return wrapped.success ? wrapped.data.error : undefined;
}

/** Milliseconds to wait by a `Retry-After` header: seconds or an HTTP date. */
export function parseRetryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Whether a page for humans came back where JSON or plain text was due: a wrong address, mostly. */
export function isHtml(response: { readonly contentType: string; readonly body: string }): boolean {
  return /html/i.test(response.contentType) || /^\s*<(!doctype|html)/i.test(response.body);
}

function plainExcerpt(response: FailedResponse): string | undefined {
  const words = response.body
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return words === '' ? undefined : words.slice(0, 300);
}

function nextStep(response: FailedResponse, druid: DruidErrorBody | undefined): string {
  switch (response.status) {
    case 401:
      return " Check option 'auth': Druid does not accept these credentials, or got none.";
    case 405:
      return " This server has no such call: an extension that is not loaded brings it (multi-stage queries: 'druid-multi-stage-query'), or another version of Druid.";
    case 407:
      return " The proxy wants other credentials: give them in option 'proxy'.";
    case 403:
      return " Check the user's permissions in Druid.";
    case 429:
      return " Druid is at capacity: wait, or lower the caller's concurrency.";
    case 503:
      if (druid === undefined || isHtml(response)) {
        return ' The service is not ready, or has no leader just now: try again, or ask its log.';
      }
      return ' Try again later.';
  }
  if (response.isEndlessRedirect === true) {
    return ' The redirects do not end: the leader is being elected, or Druid is not at this URL. Try again.';
  }
  if (isHtml(response)) return ' Does this URL point to a Druid Router?';
  if (response.status >= 300 && response.status < 400) {
    return ' The redirect was not followed: does this URL point to a Druid Router?';
  }
  return '';
}
