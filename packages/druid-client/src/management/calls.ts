/**
 * What all management calls share: options, audit headers, and the choice between "not there" and an error.
 *
 * Boundary: no knowledge of single endpoints.
 */
import { z } from 'zod';
import { bodyChunks } from '../body-chunks.js';
import { DruidConfigError, DruidDecodeError } from '../errors.js';
import { isUnknownToDruid, parseJson, parseWith } from '../json-request.js';
import { ElementsFormat } from '../native/answer-elements.js';
import type { DruidRequest } from '../request.js';
import type { Transport } from '../transport.js';

/** Options of every management call. `timeoutMs` defaults to the client's, which is 60,000 ms. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds to wait for the answer. */
  readonly timeoutMs?: number;
}

/** Who changes something and why; Druid keeps both in its audit log. Latin-1 text without line breaks. */
export interface AuditOptions extends CallOptions {
  readonly author?: string;
  readonly comment?: string;
}

/** A page of Druid's audit log: entries of an interval (`start/end`), or the newest `count`. */
export interface HistoryOptions extends CallOptions {
  readonly interval?: string;
  readonly count?: number;
}

/** An entry of Druid's audit log. */
export interface AuditEntry {
  readonly key: string;
  readonly type: string;
  readonly auditInfo: {
    readonly author: string;
    readonly comment: string;
    readonly ip: string;
    readonly [key: string]: unknown;
  };
  /** The new value, as JSON text. */
  readonly payload: string;
  /** ISO 8601. */
  readonly auditTime: string;
  readonly [key: string]: unknown;
}

/** Who made a change. */
export const auditInfo = z.looseObject({ author: z.string(), comment: z.string(), ip: z.string() });

/** The schema of {@link AuditEntry}. */
export const auditEntries: z.ZodType<AuditEntry[]> = z.array(
  z.looseObject({ key: z.string(), type: z.string(), auditInfo, payload: z.string(), auditTime: z.string() }),
);

/** A text that Druid may leave out or write as null. */
export const optionalText = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);

/** A number that Druid may leave out or write as null. */
export const optionalNumber = z
  .number()
  .nullish()
  .transform((value) => value ?? undefined);

/** An object of any members. */
export const anyObject = z.record(z.string(), z.unknown());

/** The endpoint and what to send there. */
export interface Call {
  readonly operation: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly method?: 'GET' | 'POST' | 'DELETE';
}

/** Asks, with retries. @throws DruidRemoteError, DruidDecodeError */
export async function read<T>(
  transport: Transport,
  call: Call,
  schema: z.ZodType<T>,
  options: CallOptions = {},
): Promise<T> {
  return parsed(await transport.text(requestOf(call, 'read', options)), call, schema);
}

/** As {@link read}, for an array that may be long: of each element only what `schema` makes of it is held. */
export function readElements<T>(
  transport: Transport,
  call: Call,
  schema: z.ZodType<T>,
  options: CallOptions = {},
): Promise<T[]> {
  const { operation } = call;
  const joined = transport.signalOf(options);
  const request = requestOf(call, 'read', { ...options, signal: joined.signal });
  const ask = async (server: string): Promise<T[]> => {
    const response = await transport.send({ ...request, server });
    const format = new ElementsFormat(({ value }, row) => parseWith(schema, value, operation, row));
    const limits = { operation, timeoutMs: transport.timeoutMs(request), signal: joined.signal };
    const elements: T[] = [];
    let isArray = false;
    try {
      for await (const chunk of bodyChunks(response, limits)) {
        isArray ||= chunk[0] === 0x5b; // '['
        elements.push(...format.push(chunk));
      }
      if (!format.isComplete) throw new SyntaxError('it ends before its closing bracket');
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new DruidDecodeError({
        message: `The ${operation} got no whole JSON array from ${response.url}: ${cause.message}.`,
        details: { operation },
        cause,
        retryable: isArray && !format.isComplete, // what was cut on its way may be whole the next time
      });
    }
    return elements;
  };
  return transport.retrying(request, ask).finally(() => joined.release());
}

/** Asks, with retries; undefined for 204 and for Druid's own 404, an error for the 404 of a wrong path. */
export function readIfThere<T>(
  transport: Transport,
  call: Call,
  schema: z.ZodType<T>,
  options: CallOptions = {},
): Promise<T | undefined> {
  return askIfThere(transport, call, 'read', schema, options);
}

/** As {@link readIfThere}, and undefined for an empty 200, too: for endpoints that say so that nothing is set. */
export function readIfSet<T>(
  transport: Transport,
  call: Call,
  schema: z.ZodType<T>,
  options: CallOptions = {},
): Promise<T | undefined> {
  return ifThere(async () => {
    const answer = await transport.text(requestOf(call, 'read', options));
    return answer.text.trim() === '' ? undefined : parsed(answer, call, schema);
  });
}

/** As {@link readIfThere}, asked once: for endpoints whose 503 is an answer. */
export function readOnceIfThere<T>(
  transport: Transport,
  call: Call,
  schema: z.ZodType<T>,
  options: CallOptions = {},
): Promise<T | undefined> {
  return askIfThere(transport, call, 'once', schema, options);
}

/** Changes something; sent exactly once. The answer's body is not looked at. */
export async function change(transport: Transport, call: Call, options: AuditOptions = {}): Promise<void> {
  await transport.text(requestOf({ method: 'POST', ...call }, 'once', options));
}

/** As {@link change}; false where Druid answers 404 in its own words. */
export async function changeIfThere(
  transport: Transport,
  call: Call,
  options: AuditOptions = {},
): Promise<boolean> {
  const done = await ifThere(async () => {
    await change(transport, call, options);
    return true;
  });
  return done ?? false;
}

/** As {@link change}, with the answer parsed. */
export async function changeAndRead<T>(
  transport: Transport,
  call: Call,
  schema: z.ZodType<T>,
  options: AuditOptions = {},
): Promise<T> {
  return parsed(await transport.text(requestOf({ method: 'POST', ...call }, 'once', options)), call, schema);
}

/** The query parameters of {@link HistoryOptions}. */
export function historyQuery({ interval, count }: HistoryOptions): Record<string, string | undefined> {
  return { interval, count: count === undefined ? undefined : String(count) };
}

/** For progress: undefined where the answer cannot be had just now, since that must not end a wait. Aborts go through. */
export async function ifItCanBeHad<T>(
  transport: Transport,
  signal: AbortSignal | undefined,
  ask: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (signal?.aborted === true) throw error;
    transport.runtime.logger.debug('Druid: no progress to report just now', { error });
    return undefined;
  }
}

function askIfThere<T>(
  transport: Transport,
  call: Call,
  kind: DruidRequest['kind'],
  schema: z.ZodType<T>,
  options: CallOptions,
): Promise<T | undefined> {
  return ifThere(async () => {
    const answer = await transport.text(requestOf(call, kind, options));
    // An empty 200 does not say "no such thing": it is an answer that was cut off.
    return answer.response.status === 204 ? undefined : parsed(answer, call, schema);
  });
}

async function ifThere<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isUnknownToDruid(error)) return undefined;
    throw error;
  }
}

function parsed<T>(
  { response, text }: Awaited<ReturnType<Transport['text']>>,
  { operation }: Call,
  schema: z.ZodType<T>,
): T {
  return parseWith(schema, parseJson(text, operation, response), operation);
}

function requestOf(call: Call, kind: DruidRequest['kind'], options: AuditOptions): DruidRequest {
  const { signal, timeoutMs } = options;
  // Some endpoints refuse a POST without a content type (415), even where they want no body.
  const body = call.body ?? (call.method === 'POST' ? {} : undefined);
  return { method: 'GET', ...call, body, kind, signal, timeoutMs, headers: auditHeaders(options) };
}

function auditHeaders({ author, comment }: AuditOptions): Record<string, string> {
  return {
    ...(author === undefined ? {} : { 'X-Druid-Author': headerText('author', author) }),
    ...(comment === undefined ? {} : { 'X-Druid-Comment': headerText('comment', comment) }),
  };
}

function headerText(option: string, value: string): string {
  if (/^[\t\x20-\x7e\xa0-\xff]*$/.test(value)) return value;
  throw new DruidConfigError({
    message: `Option '${option}' is ${JSON.stringify(value)}: an HTTP header holds Latin-1 text without line breaks.`,
    details: { option },
  });
}
