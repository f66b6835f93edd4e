/** Reads NDJSON the way Druid's JSON reader and its dimension handlers do, one line at a time. */

import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { IngestionSpec } from './ingestion-spec.js';
import { convertValue, javaText } from './java-values.js';
import { parseJsonAsJava, WholeDouble } from './json-text.js';
import type { StagedField } from './staging.js';
import { EARLIEST_MS, LATEST_MS, parseIsoTime } from './time-text.js';

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
  const stats = noRows();
  const output = createWriteStream(target);
  let line = 0;
  try {
    for await (const texts of linesOf(path)) {
      let rows = '';
      for (const text of texts) {
        line += 1;
        const place = `(Record: ${stats.processed + stats.processedWithError + 1}, Line: ${line})`;
        const parsed = parseRow(spec, fields, text.startsWith('\uFEFF') ? text.slice(1) : text, place);
        count(stats, parsed, spec);
        if ('values' in parsed) rows += `{"t":${parsed.t}${parsed.values.join('')}}\n`;
      }
      if (!output.write(rows)) await once(output, 'drain');
    }
  } catch (error) {
    output.destroy();
    throw error;
  }
  output.end();
  await once(output, 'close');
  return stats;
}

/** Statistics before the first row. */
export const noRows = (): RowStats => ({
  processed: 0,
  processedWithError: 0,
  unparseable: 0,
  thrownAway: 0,
  events: [],
  withErrorEvents: [],
});

function count(stats: RowStats, parsed: Parsed, spec: IngestionSpec): void {
  const limit = spec.maxSavedParseExceptions;
  if ('errorType' in parsed) {
    stats.unparseable += 1;
    save(stats.events, parsed, limit);
    save(stats.withErrorEvents, parsed, limit);
  } else if (parsed.problems.length > 0) {
    stats.processedWithError += 1;
    const input = javaText(parsed.row);
    save(stats.withErrorEvents, { input, errorType: 'processedWithError', details: parsed.problems }, limit);
  } else {
    stats.processed += 1;
  }
  if (stats.unparseable + stats.processedWithError > spec.maxParseExceptions) {
    throw new TooManyParseExceptions(spec.maxParseExceptions, stats);
  }
}

/** Druid keeps the latest events only. */
function save(events: ParseEvent[], event: ParseEvent, limit: number): void {
  events.push(event);
  if (events.length > limit) events.shift();
}

async function* linesOf(path: string): AsyncGenerator<string[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    const lines: string[] = [];
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      lines.push(data.toString('utf8', start, data[end - 1] === CARRIAGE_RETURN ? end - 1 : end));
      start = end + 1;
    }
    rest = data.subarray(start);
    yield lines;
  }
  if (rest.length > 0) yield [rest.toString('utf8')];
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

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
  for (const [index, { field, type, role }] of fields.entries()) {
    const raw = spec.constants.get(field) ?? fieldOf(row, field);
    const value = convertValue(raw, type, role);
    if (value === undefined) {
      const shown = javaText(raw);
      problems.push(
        role === 'metric'
          ? `Unable to parse value[${shown}] for field[${field}]`
          : `Could not convert value [${shown}] to ${type.toLowerCase()} for dimension [${field}].`,
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

/** The instant of a timestamp field, or undefined where Druid finds it unparseable. */
function parseTime(stamp: unknown, format: IngestionSpec['timestamp']['format']): number | undefined {
  const value = stamp instanceof WholeDouble ? stamp.value : stamp;
  if (typeof value === 'number' || typeof value === 'bigint') return numericTime(Number(value), format);
  if (typeof value !== 'string') return undefined;
  const text = (/^".*"$/.test(value) ? value.slice(1, -1) : value).trim();
  const isDigits = /^\d+$/.test(text);
  if (/^[-+]\d+$/.test(text) && (format === 'iso' || format === 'auto')) throw unsupportedTime(text);
  switch (format) {
    case 'millis':
    case 'posix':
      return /^-?\d+$/.test(text) ? numericTime(Number(text), format) : undefined;
    case 'iso':
      return parseIsoTime(text) ?? (isDigits ? isoDigits(text) : undefined);
    case 'auto':
      return isDigits ? inRange(Number(text)) : parseIsoTime(text.replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T'));
  }
}

function numericTime(value: number, format: IngestionSpec['timestamp']['format']): number | undefined {
  if (format === 'posix') return inRange(Math.trunc(value) * 1000);
  // An ISO time that arrives as a whole number is read as milliseconds after all.
  if (format === 'iso') return Number.isInteger(value) ? isoDigits(String(value)) : undefined;
  return inRange(Math.trunc(value));
}

/** Joda reads up to nine digits as a year, and Druid more of them as milliseconds. */
function isoDigits(text: string): number | undefined {
  if (!/^\d+$/.test(text) || text.length <= 9) throw unsupportedTime(text);
  return inRange(Number(text));
}

function inRange(ms: number): number {
  if (ms < EARLIEST_MS || ms > LATEST_MS) throw unsupportedTime(String(ms));
  return ms;
}

const unsupportedTime = (text: string): Error =>
  new Error(
    `The time [${text}], read as a year or outside the years 0 to 9999, is not supported by EmbeddedDruid`,
  );
