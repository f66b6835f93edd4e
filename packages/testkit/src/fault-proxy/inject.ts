/** Each fault, made of the steps of a {@link Relay}. */
import { once } from 'node:events';
import { createGzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import { asChunked, withHeader, withoutHeaders } from './raw-headers.js';
import type { AnswerFault, ExpiredTokenFault, ProxyFault, RedirectFault } from './proxy-fault.js';
import type { Relay } from './relay.js';

/** What a fault may do to the proxy itself. */
export interface ProxyControl {
  /** An origin of this machine where nothing listens. */
  readonly deadOrigin: string;
  /** Refuses connections from now on. */
  refuse(): void;
}

/** Carries `relay`'s request out, with the fault that its log entry names. */
export async function carryOut(relay: Relay, proxy: ProxyControl): Promise<void> {
  const { fault } = relay.log;
  if (fault === undefined) return passOn(relay);
  if ('handled' in fault && fault.handled === true) {
    const answer = await relay.forward();
    await once(answer.resume(), 'end');
  } else if (isSynthetic(fault)) {
    await relay.drain();
  }
  switch (fault.type) {
    case 'reset':
      return relay.reset();
    case 'go-down':
      proxy.refuse();
      return relay.reset();
    case 'reset-mid-body':
      return breakOff(relay, fault.afterBytes, () => relay.reset());
    case 'silence':
      if (fault.afterBytes === undefined) return relay.gone();
      return breakOff(relay, fault.afterBytes, () => relay.gone());
    case 'drip':
      return drip(relay, fault.bytesPerTick, fault.tick);
    case 'truncate':
      return truncate(relay, fault.afterBytes, fault.trailers ?? {});
    case 'trailers':
      return withTrailers(relay, fault.trailers, fault.announce ?? Object.keys(fault.trailers));
    case 'content-type':
      return withContentType(relay, fault.value);
    case 'content-length':
      return withContentLength(relay, fault.difference);
    case 'gzip':
      return gzip(relay, fault.afterBytes ?? Infinity);
    default:
      return answer(relay, answerOf(fault, relay, proxy));
  }
}

/** Answers of the proxy's own, and faults without any. */
function isSynthetic(fault: ProxyFault): boolean {
  return fault.type === 'silence' ? fault.afterBytes === undefined : synthetic.has(fault.type);
}

const synthetic: ReadonlySet<ProxyFault['type']> = new Set([
  'reset',
  'go-down',
  'answer',
  'html-page',
  'throttled',
  'redirect',
  'expired-token',
]);

async function passOn(relay: Relay): Promise<void> {
  const answer = await relay.forward();
  relay.begin(headOf(answer));
  await relay.send(answer);
  await relay.end(answer.rawTrailers);
}

async function breakOff(relay: Relay, afterBytes: number, end: () => Promise<void>): Promise<void> {
  const answer = await relay.forward();
  relay.begin(headOf(answer));
  await relay.send(firstBytes(answer, afterBytes));
  await end();
}

async function drip(relay: Relay, bytesPerTick: number, tick: () => Promise<unknown>): Promise<void> {
  const answer = await relay.forward();
  relay.begin(headOf(answer));
  for await (const piece of pieces(answer, bytesPerTick)) {
    await Promise.race([tick(), relay.gone()]);
    await relay.write(piece);
  }
  await relay.end(answer.rawTrailers);
}

async function truncate(
  relay: Relay,
  afterBytes: number,
  trailers: Readonly<Record<string, string>>,
): Promise<void> {
  const answer = await relay.forward();
  const { headers, ...line } = headOf(answer);
  relay.begin({ ...line, headers: announcing(asChunked(headers), Object.keys(trailers)) });
  await relay.send(firstBytes(answer, afterBytes));
  await relay.end(Object.entries(trailers).flat());
}

async function withTrailers(
  relay: Relay,
  trailers: Readonly<Record<string, string>>,
  announced: readonly string[],
): Promise<void> {
  const answer = await relay.forward();
  const { headers, ...line } = headOf(answer);
  relay.begin({ ...line, headers: announcing(asChunked(headers), announced) });
  await relay.send(answer);
  await relay.end(Object.entries(trailers).flat());
}

async function withContentType(relay: Relay, value: string | undefined): Promise<void> {
  const answer = await relay.forward();
  const { headers, ...line } = headOf(answer);
  const name = 'Content-Type';
  relay.begin({
    ...line,
    headers: value === undefined ? withoutHeaders(headers, 'content-type') : withHeader(headers, name, value),
  });
  await relay.send(answer);
  await relay.end(answer.rawTrailers);
}

async function withContentLength(relay: Relay, difference: number): Promise<void> {
  const answer = await relay.forward();
  const body = await whole(answer);
  const { headers, ...line } = headOf(answer);
  const plain = withoutHeaders(headers, 'transfer-encoding', 'trailer');
  const length = Math.max(0, body.length + difference);
  relay.begin({ ...line, headers: withHeader(plain, 'Content-Length', String(length)) });
  await relay.write(body);
  await relay.end([], length > body.length);
}

async function gzip(relay: Relay, afterBytes: number): Promise<void> {
  const answer = await relay.forward();
  const { headers, ...line } = headOf(answer);
  const compressed = withHeader(announcing(asChunked(headers), []), 'Content-Encoding', 'gzip');
  relay.begin({ ...line, headers: compressed });
  const stream = answer.pipe(createGzip());
  answer.once('error', (error) => stream.destroy(error));
  await relay.send(firstBytes(stream, afterBytes));
  await relay.end();
}

async function answer(
  relay: Relay,
  { status, headers = {}, body = '' }: Omit<AnswerFault, 'type'>,
): Promise<void> {
  const bytes = Buffer.from(body);
  const raw = Object.entries(headers).flat();
  const isBodiless = status === 204 || status === 304;
  relay.begin({
    status,
    headers: isBodiless ? raw : withHeader(raw, 'Content-Length', String(bytes.length)),
  });
  if (relay.log.method !== 'HEAD' && !isBodiless) await relay.write(bytes);
  await relay.end();
}

type OwnAnswer =
  Extract<ProxyFault, { type: 'answer' | 'html-page' | 'throttled' }> | RedirectFault | ExpiredTokenFault;

function answerOf(fault: OwnAnswer, relay: Relay, { deadOrigin }: ProxyControl): Omit<AnswerFault, 'type'> {
  switch (fault.type) {
    case 'answer':
      return fault;
    case 'html-page':
      return {
        status: fault.status,
        headers: { 'Content-Type': 'text/html;charset=utf-8' },
        body: page(fault.status),
      };
    case 'throttled':
      return { status: 429, headers: retryAfter(fault.retryAfter) };
    case 'expired-token':
      return { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } };
    case 'redirect': {
      const origin = fault.to === 'dead' ? deadOrigin : fault.to.replace(/\/+$/, '');
      const { path, query } = relay.log;
      return { status: fault.status ?? 307, headers: { Location: `${origin}${path}${query}` } };
    }
  }
}

function retryAfter(value: number | Date | undefined): Record<string, string> {
  if (value === undefined) return {};
  return { 'Retry-After': typeof value === 'number' ? String(value) : value.toUTCString() };
}

function page(status: number): string {
  const title = `Error ${status}`;
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head>\n<body><h1>HTTP ERROR ${status}</h1><hr/></body></html>\n`;
}

function headOf(answer: IncomingMessage): { status: number; statusMessage: string; headers: string[] } {
  return {
    status: answer.statusCode ?? 502,
    statusMessage: answer.statusMessage ?? '',
    headers: answer.rawHeaders,
  };
}

function announcing(headers: readonly string[], names: readonly string[]): string[] {
  return names.length === 0
    ? withoutHeaders(headers, 'trailer')
    : withHeader(headers, 'Trailer', names.join(', '));
}

/** At most `count` bytes; then the rest is given up, and with it the upstream's connection. */
async function* firstBytes(
  body: AsyncIterable<Buffer>,
  count: number,
): AsyncGenerator<Buffer, void, undefined> {
  let left = count;
  if (left === 0) return;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

/** The same bytes in pieces of `size`, the last one shorter. */
async function* pieces(body: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (; rest.length >= size; rest = rest.subarray(size)) yield rest.subarray(0, size);
  }
  if (rest.length > 0) yield rest;
}

async function whole(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}
