import type { ProxyFault } from '@millrace/testkit';
import type { DruidErrorCode } from '../../src/errors.js';

/** How a call may end: with the very result that it has without the fault, or in an error with this code. */
export type Ending = 'same' | DruidErrorCode;

/** A fault, and how calls of each kind end under it. `json` are queries whose answer is read in one piece. */
export interface FaultCase {
  readonly name: string;
  readonly fault: ProxyFault;
  readonly query: readonly Ending[];
  readonly json: readonly Ending[];
  readonly read: readonly Ending[];
  readonly identified: readonly Ending[];
  readonly once: readonly Ending[];
}

const same: readonly Ending[] = ['same'];
const connection: readonly Ending[] = ['DRUID_CONNECTION'];
const timeout: readonly Ending[] = ['DRUID_TIMEOUT'];
const remote: readonly Ending[] = ['DRUID_REMOTE'];
const throttled: readonly Ending[] = ['DRUID_THROTTLED'];
const truncated: readonly Ending[] = ['DRUID_TRUNCATED'];
const decode: readonly Ending[] = ['DRUID_DECODE'];

/** What repeating mends; `once` tells why it was not repeated. */
const mended = (once: readonly Ending[]) => ({ query: same, json: same, read: same, identified: same, once });
const harmless = mended(same);
/** What no repetition mends, since Druid has answered. */
const unreadable = (query: readonly Ending[]) => ({
  query,
  json: decode,
  read: decode,
  identified: decode,
  once: decode,
});
/** A query's time limit has passed: repeating it would only double the load. */
const silent = { query: timeout, json: timeout, read: same, identified: same, once: timeout };
const internal = { query: remote, json: remote, read: same, identified: same, once: remote };

const page = '<!DOCTYPE html><html><title>Unified Console</title></html>\n';
const anHourAgo = new Date(Date.now() - 3_600_000);

/** Each fault hits the first request only. */
export const faultCases: readonly FaultCase[] = [
  { name: 'reset before the answer', fault: { type: 'reset' }, ...mended(connection) },
  { name: 'the answer lost', fault: { type: 'reset', handled: true }, ...mended(connection) },
  { name: 'the server down, and up again', fault: { type: 'go-down' }, ...mended(connection) },
  {
    name: 'the server down after its work',
    fault: { type: 'go-down', handled: true },
    ...mended(connection),
  },
  { name: 'reset behind the head', fault: { type: 'reset-mid-body', afterBytes: 0 }, ...mended(connection) },
  {
    name: 'reset inside the body',
    fault: { type: 'reset-mid-body', afterBytes: 5 },
    ...mended(connection),
    // Whether the first bytes were seen before the reset, so that it is too late to begin anew, is a matter of luck.
    query: ['same', 'DRUID_TRUNCATED'],
  },
  {
    name: 'a body cut at 0 bytes, clean end',
    fault: { type: 'truncate', afterBytes: 0 },
    ...unreadable(truncated),
  },
  {
    name: 'a body cut at 5 bytes, clean end',
    fault: { type: 'truncate', afterBytes: 5 },
    ...unreadable(truncated),
  },
  {
    name: "a body cut, with Druid's reason as a trailer",
    fault: { type: 'truncate', afterBytes: 5, trailers: { 'X-Error-Message': 'Query timed out' } },
    ...unreadable(truncated),
    json: truncated,
  },
  {
    name: 'a whole body that the trailer denies',
    fault: { type: 'trailers', trailers: { 'X-Error-Message': 'Query timed out' } },
    ...harmless,
    query: truncated,
    json: truncated,
  },
  {
    name: 'a whole body without the trailer that was announced',
    fault: { type: 'trailers', trailers: {}, announce: ['X-Error-Message', 'X-Druid-Response-Complete'] },
    ...harmless,
    query: truncated,
    json: truncated,
  },
  {
    name: 'trailers that say complete',
    fault: { type: 'trailers', trailers: { 'X-Druid-Response-Complete': 'true' } },
    ...harmless,
  },
  { name: 'no trailers', fault: { type: 'trailers', trailers: {} }, ...harmless },
  {
    name: 'a slow drip',
    fault: { type: 'drip', bytesPerTick: 89, tick: () => new Promise(setImmediate) },
    ...harmless,
  },
  { name: 'silence', fault: { type: 'silence' }, ...silent },
  { name: 'silence after the work', fault: { type: 'silence', handled: true }, ...silent },
  { name: 'silence inside the body', fault: { type: 'silence', afterBytes: 5 }, ...silent },
  ...[502, 503, 504].map((status) => ({
    name: `a gateway's page, ${status}`,
    fault: { type: 'html-page', status } as const,
    ...mended(remote),
  })),
  {
    name: "a gateway's page after the work",
    fault: { type: 'html-page', status: 502, handled: true },
    ...mended(remote),
  },
  { name: 'a page with 500', fault: { type: 'html-page', status: 500 }, ...internal },
  { name: 'an empty 500', fault: { type: 'answer', status: 500 }, ...internal },
  { name: '429, in 7 seconds', fault: { type: 'throttled', retryAfter: 7 }, ...mended(throttled) },
  {
    name: '429, at a time that has passed',
    fault: { type: 'throttled', retryAfter: anHourAgo },
    ...mended(throttled),
  },
  { name: '429, whenever', fault: { type: 'throttled' }, ...mended(throttled) },
  {
    name: 'a body that claims to be a web page',
    fault: { type: 'content-type', value: 'text/html' },
    ...unreadable(decode),
  },
  { name: 'no content type', fault: { type: 'content-type', value: undefined }, ...harmless },
  {
    name: 'a web page with 200',
    fault: { type: 'answer', status: 200, headers: { 'Content-Type': 'text/html' }, body: page },
    ...unreadable(decode),
  },
  { name: 'an empty 200', fault: { type: 'answer', status: 200 }, ...unreadable(truncated) },
  { name: 'a redirect to a dead leader', fault: { type: 'redirect', to: 'dead' }, ...mended(connection) },
  { name: 'a compressed body', fault: { type: 'gzip' }, ...unreadable(decode) },
  { name: 'a compressed body, cut', fault: { type: 'gzip', afterBytes: 15 }, ...unreadable(decode) },
  {
    name: 'a length too long',
    fault: { type: 'content-length', difference: 10 },
    ...mended(connection),
    query: ['same', 'DRUID_TRUNCATED'],
  },
  {
    name: 'a length too short',
    fault: { type: 'content-length', difference: -5 },
    ...unreadable(truncated),
  },
];
