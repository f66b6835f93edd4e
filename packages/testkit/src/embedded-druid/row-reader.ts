/** Reads NDJSON the way Druid's JSON reader and its dimension handlers do, one line at a time. */

import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { IngestionSpec } from './ingestion-spec.js';
import { javaDouble, parseJsonAsJava, WholeDouble } from './json-text.js';
import type { StagedField } from './staging.js';
import { parseIsoTime } from './time-text.js';
import type { ColumnType } from './timeline.js';

/** One entry of `unparseableEvents` in a task report. */
export interface ParseEvent {
  input: string;
  errorType: 'unparseable' | 'processedWithError';
  details: string[];
}

/** What became of the rows of an input. */
export interface RowStats {
  processed: number;
  processedWithError: number;
  unparseable: number;
  thrownAway: number;
  /** Events of the first pass (unparseable only), oldest first. */
  events: ParseEvent[];
  /** Events of the second pass (also rows processed with an error), oldest first. */
  withErrorEvents: ParseEvent[];
}

/** `maxParseExceptions` was exceeded; the task fails. */
export class TooManyParseExceptions extends Error {
  override readonly name = 'TooManyParseExceptions';
  readonly stats: RowStats;

  constructor(limit: number, stats: RowStats) {
    super(`org.apache.druid.java.util.common.RE: Max parse exceptions[${limit}] exceeded`);
    this.stats = stats;
  }
}

type JsonRow = Record<string, unknown>;
type Parsed = { t: number; values: string[]; problems: string[]; row: JsonRow } | ParseEvent;

const LONG_MAX = 9_223_372_036_854_775_807n;
const LONG_MIN = -9_223_372_036_854_775_808n;
const WRITE_BATCH = 1 << 16;

/**
 * Parses all lines of `path` and writes the good ones, typed, to `target`.
 *
 * @throws TooManyParseExceptions as soon as the limit of the spec is passed.
 */
export async function readRows(
  spec: IngestionSpec,
  fields: readonly StagedField[],
  path: string,
  target: string,
): Promise<RowStats> {
  const stats: RowStats = {
    processed: 0,
    processedWithError: 0,
    unparseable: 0,
    thrownAway: 0,
    events: [],
    withErrorEvents: [],
  };
  const output = createWriteStream(target);
  let batch = '';
  let line = 0;
  for await (const text of linesOf(path)) {
    line += 1;
    const place = `(Record: ${stats.processed + stats.processedWithError + 1}, Line: ${line})`;
    const parsed = parseRow(spec, fields, text, place);
    if ('errorType' in parsed) {
      stats.unparseable += 1;
      save(stats.events, parsed, spec.maxSavedParseExceptions);
      save(stats.withErrorEvents, parsed, spec.maxSavedParseExceptions);
    } else if (parsed.problems.length > 0) {
      stats.processedWithError += 1;
      const event = {
        input: javaText(parsed.row),
        errorType: 'processedWithError',
        details: parsed.problems,
      } as const;
      save(stats.withErrorEvents, event, spec.maxSavedParseExceptions);
    } else {
      stats.processed += 1;
    }
    if (stats.unparseable + stats.processedWithError > spec.maxParseExceptions) {
      output.destroy();
      throw new TooManyParseExceptions(spec.maxParseExceptions, stats);
    }
    if ('values' in parsed) batch += `{"t":${parsed.t}${parsed.values.join('')}}\n`;
    if (batch.length > WRITE_BATCH) {
      if (!output.write(batch)) await once(output, 'drain');
      batch = '';
    }
  }
  output.end(batch);
  await once(output, 'close');
  return stats;
}

/** Druid keeps the latest events only. */
function save(events: ParseEvent[], event: ParseEvent, limit: number): void {
  events.push(event);
  if (events.length > limit) events.shift();
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    let data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10)) {
      yield data.toString('utf8', 0, data[at - 1] === 13 ? at - 1 : at);
      data = data.subarray(at + 1);
    }
    rest = Buffer.from(data);
  }
  if (rest.length > 0) yield rest.toString('utf8');
}

function parseRow(spec: IngestionSpec, fields: readonly StagedField[], text: string, place: string): Parsed {
  const row = firstJsonValue(text);
  if (row === undefined) {
    return { input: text, errorType: 'unparseable', details: [`Unable to parse row [${text}] ${place}`] };
  }
  const stamp = fieldOf(row, spec.timestamp.column);
  const t =
    stamp === null || stamp === undefined ? spec.timestamp.missing : parseTime(stamp, spec.timestamp.format);
  if (t === undefined) {
    const shown = stamp === null || stamp === undefined ? 'null' : javaText(stamp);
    const details = [`Timestamp[${shown}] is unparseable! Event: ${javaText(row)} ${place}`];
    return { input: javaText(row), errorType: 'unparseable', details };
  }
  const values: string[] = [];
  const problems: string[] = [];
  for (const [index, { field, type }] of fields.entries()) {
    const value = convert(fieldOf(row, field), type);
    if (value === undefined) {
      const kind = type.toLowerCase();
      problems.push(
        `Could not convert value [${javaText(fieldOf(row, field))}] to ${kind} for dimension [${field}].`,
      );
    } else if (value !== null) {
      values.push(`,"f${index}":${value}`);
    }
  }
  return { t, values, problems, row };
}

/** A field of the row itself, never something that all JavaScript objects have. */
const fieldOf = (row: JsonRow, name: string): unknown => (Object.hasOwn(row, name) ? row[name] : undefined);

/** The first JSON value of a line, as Jackson reads it: what follows is ignored; undefined if it cannot be read. */
function firstJsonValue(text: string): JsonRow | undefined {
  let value: unknown;
  try {
    value = parseJsonAsJava(text);
  } catch {
    const end = endOfObject(text);
    if (end === undefined) return undefined;
    try {
      value = parseJsonAsJava(text.slice(0, end));
    } catch {
      return undefined;
    }
  }
  // Druid reads an array or a scalar as a row without fields.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonRow) : {};
}

function endOfObject(text: string): number | undefined {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
      if (depth < 0) return undefined;
    }
  }
  return undefined;
}

function parseTime(stamp: unknown, format: IngestionSpec['timestamp']['format']): number | undefined {
  const value = stamp instanceof WholeDouble ? stamp.value : stamp;
  const text =
    typeof value === 'string'
      ? value
      : typeof value === 'number' || typeof value === 'bigint'
        ? String(value)
        : undefined;
  if (text === undefined) return undefined;
  const numeric = /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
  switch (format) {
    case 'millis':
      return numeric ?? (typeof value === 'number' ? Math.trunc(value) : undefined);
    case 'posix':
      return numeric === undefined ? undefined : numeric * 1000;
    case 'iso':
      return typeof value === 'string' ? parseIsoTime(stripQuotes(text)) : undefined;
    case 'auto':
      return numeric ?? parseIsoTime(stripQuotes(text).replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T'));
  }
}

const stripQuotes = (text: string): string => (/^".*"$/.test(text) ? text.slice(1, -1) : text).trim();

/** The JSON text of a value in its column type, null, or undefined where Druid cannot convert it. */
function convert(value: unknown, type: ColumnType): string | null | undefined {
  if (value === null || value === undefined) return null;
  if (type === 'STRING') return stringValue(value);
  if (value instanceof WholeDouble) return convert(value.value, type);
  if (Array.isArray(value) || typeof value === 'object') return undefined;
  return type === 'LONG' ? longValue(value) : doubleValue(value);
}

function stringValue(value: unknown): string | null {
  if (!Array.isArray(value)) return JSON.stringify(javaText(value));
  if (value.length === 0) return null;
  if (value.length === 1) return value[0] === null ? null : JSON.stringify(javaText(value[0]));
  throw new Error(
    `A multi-value string [${javaText(value)}] is not supported by EmbeddedDruid; run this against a real Druid`,
  );
}

function longValue(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'bigint') return clampLong(value);
  if (typeof value === 'number')
    return Number.isFinite(value) ? clampLong(BigInt(Math.trunc(value))) : undefined;
  const text = String(value);
  if (!/^[-+]?\d+(\.0*)?$/.test(text)) return undefined;
  const exact = BigInt(text.replace(/^\+/, '').replace(/\..*$/, ''));
  return exact > LONG_MAX || exact < LONG_MIN ? undefined : exact.toString();
}

const clampLong = (value: bigint): string =>
  (value > LONG_MAX ? LONG_MAX : value < LONG_MIN ? LONG_MIN : value).toString();

function doubleValue(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  const text = String(value);
  if (/^[-+]?(NaN|Infinity)$/.test(text)) return JSON.stringify(text);
  return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) ? String(Number(text)) : undefined;
}

/** How Java's `toString` shows a parsed JSON value: `{x=1}`, `[a, b]`, `12.5`, `1000.0`. */
export function javaText(value: unknown): string {
  if (value instanceof WholeDouble) return javaDouble(value.value);
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return `[${value.map(javaText).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, field]) => `${key}=${javaText(field)}`)
      .join(', ')}}`;
  }
  if (typeof value === 'bigint')
    return value > LONG_MAX || value < LONG_MIN ? javaDouble(Number(value)) : String(value);
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? String(value) : javaDouble(value);
  return String(value);
}
