/** `POST /druid/v2/sql` and its cancellation. */

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { AnswerStream } from './answer.js';
import { druidException, notSupported, queryFailure, unreadableRequest } from './druid-error.js';
import { parseJsonLossless, stringifyJsonLossless } from './json-text.js';
import type { RunningQueries } from './running-queries.js';
import { type CellKind, type CellWriter, csvCell, csvText, jsonCell, rowTexts } from './result-text.js';
import type { SqlType } from './sql-ast.js';
import type { SqlParameter } from './sql-scope.js';
import { parseQuery } from './sql-parser.js';
import { type OutputColumn, planQuery } from './sql-planner.js';
import { duckType, isText, isTime, nativeType, timestampLiteral } from './sql-typed.js';
import type { SystemTables } from './system-tables.js';

const FORMATS = ['object', 'array', 'objectLines', 'arrayLines', 'csv'] as const;
type Format = (typeof FORMATS)[number];

const requestShape = z.looseObject({
  query: z.string(),
  resultFormat: z.string().nullish(),
  header: z.boolean().nullish(),
  typesHeader: z.boolean().nullish(),
  sqlTypesHeader: z.boolean().nullish(),
  context: z.record(z.string(), z.unknown()).nullish(),
  parameters: z.array(z.object({ type: z.string(), value: z.unknown().optional() })).nullish(),
});

const PARAMETER_TYPES: Record<string, SqlType> = {
  VARCHAR: 'VARCHAR',
  CHAR: 'CHAR',
  BIGINT: 'BIGINT',
  INTEGER: 'INTEGER',
  SMALLINT: 'INTEGER',
  TINYINT: 'INTEGER',
  DOUBLE: 'DOUBLE',
  FLOAT: 'DOUBLE',
  REAL: 'DOUBLE',
  DECIMAL: 'DOUBLE',
  BOOLEAN: 'BOOLEAN',
  TIMESTAMP: 'TIMESTAMP',
  DATE: 'DATE',
};

export interface SqlEndpointOptions {
  system: SystemTables;
  queries: RunningQueries;
  now(): number;
}

interface Request {
  format: Format;
  header: boolean;
  types: boolean;
  sqlTypes: boolean;
}

/** Answers one statement; errors before the first row become HTTP errors, later ones break the answer off. */
export async function answerSql(
  body: string,
  answer: AnswerStream,
  options: SqlEndpointOptions,
): Promise<void> {
  const parsed = readRequest(body);
  const { context } = parsed;
  const id = String(context['sqlQueryId'] ?? context['queryId'] ?? randomUUID());
  answer.header('X-Druid-SQL-Query-Id', id);
  answer.header('X-Druid-Query-Id', id);
  const zone = context['sqlTimeZone'];
  if (zone !== undefined && zone !== 'UTC' && zone !== 'Etc/UTC')
    throw notSupported(`sqlTimeZone [${String(zone)}]`);
  const planned = planQuery(parseQuery(parsed.query), {
    catalog: options.system.catalog,
    system: options.system,
    params: parsed.parameters,
    nowMs: options.now(),
    exactDistinct:
      context['useApproximateCountDistinct'] === false || context['useApproximateCountDistinct'] === 'false',
  });
  if (parsed.request.header) answer.header('X-Druid-SQL-Header-Included', 'yes');
  answer.header('X-Druid-Response-Context', '{}');
  const writer = formatWriter(parsed.request, planned.columns);
  await options.queries.run({ id, sql: planned.sql, timeoutMs: timeoutOf(context) }, async (chunks) => {
    let rows = 0;
    let first = true;
    for await (const chunk of chunks) {
      if (first) await answer.write(writer.start);
      first = false;
      const text = rowTexts(chunk, writer.cells, writer.row);
      await answer.write(rows > 0 || writer.hasHeader ? writer.row.separator + text : text);
      rows += chunk.rowCount;
    }
    await answer.write(first ? writer.start + writer.end(0) : writer.end(rows));
  });
}

function timeoutOf(context: Record<string, unknown>): number | undefined {
  const { timeout } = context;
  if (timeout === undefined || timeout === null) return undefined;
  const ms = Number(timeout);
  if (ms < 0 || Number.isNaN(ms)) {
    throw queryFailure(
      'Query context parse failed',
      'org.apache.druid.query.BadQueryContextException',
      'INVALID_INPUT',
      `Timeout [timeout] must be a non negative value, but was ${String(timeout)}`,
    );
  }
  return ms === 0 ? undefined : ms;
}

/** Parses a request body as Jackson would; shared with native queries. */
export function readJsonBody(body: string): Record<string, unknown> {
  if (body.trim() === '') {
    throw unreadableRequest(
      'No content to map due to end-of-input',
      'com.fasterxml.jackson.databind.exc.MismatchedInputException',
    );
  }
  let value: unknown;
  try {
    value = parseJsonLossless(body);
  } catch (error) {
    throw unreadableRequest((error as Error).message, 'com.fasterxml.jackson.core.JsonParseException');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unreadableRequest(
      'Cannot deserialize the request: a JSON object was expected',
      'com.fasterxml.jackson.databind.exc.MismatchedInputException',
    );
  }
  return value as Record<string, unknown>;
}

function readRequest(body: string): {
  query: string;
  request: Request;
  context: Record<string, unknown>;
  parameters: SqlParameter[];
} {
  const construct = 'Cannot construct instance of `org.apache.druid.sql.http.SqlQuery`, problem: ';
  const invalid = (problem: string): Error =>
    unreadableRequest(construct + problem, 'com.fasterxml.jackson.databind.exc.ValueInstantiationException');
  const shape = requestShape.safeParse(readJsonBody(body));
  if (!shape.success) throw invalid(shape.error.issues[0]?.path.join('.') ?? 'query');
  const { query, resultFormat, header, typesHeader, sqlTypesHeader, context, parameters } = shape.data;
  const format = FORMATS.find((known) => known.toLowerCase() === (resultFormat ?? 'object').toLowerCase());
  if (!format) {
    throw unreadableRequest(
      `Cannot construct instance of \`org.apache.druid.sql.http.ResultFormat\`, problem: No enum constant org.apache.druid.sql.http.ResultFormat.${String(resultFormat).toUpperCase()}`,
      'com.fasterxml.jackson.databind.exc.ValueInstantiationException',
    );
  }
  if (typesHeader && !header) throw invalid("Cannot include 'typesHeader' without 'header'");
  if (sqlTypesHeader && !header) throw invalid("Cannot include 'sqlTypesHeader' without 'header'");
  return {
    query,
    request: {
      format,
      header: header ?? false,
      types: typesHeader ?? false,
      sqlTypes: sqlTypesHeader ?? false,
    },
    context: context ?? {},
    parameters: (parameters ?? []).map(readParameter),
  };
}

function readParameter({ type: name, value }: { type: string; value?: unknown }): SqlParameter {
  const type = PARAMETER_TYPES[name.toUpperCase()];
  if (!type) {
    throw unreadableRequest(
      `Cannot deserialize value of type \`org.apache.calcite.avatica.SqlType\` from String "${name}": not one of the values accepted for Enum class`,
      'com.fasterxml.jackson.databind.exc.InvalidFormatException',
    );
  }
  const wrong = (): Error =>
    druidException(`Parameter value ${stringifyJsonLossless(value)} is no ${type}`, {
      context: { sourceType: 'sql' },
    });
  if (value === null || value === undefined) return { type, value: null };
  if (isText(type)) return { type, value: typeof value === 'string' ? value : stringifyJsonLossless(value) };
  if (isTime(type)) {
    if (typeof value === 'number' || typeof value === 'bigint') return { type, value };
    const text = String(value);
    const span = { line: 1, column: 1, endLine: 1, endColumn: 1 };
    return { type, value: timestampLiteral('TIMESTAMP', text.replace('T', ' ').replace(/Z$/, ''), span) };
  }
  if (type === 'BOOLEAN') {
    if (typeof value !== 'boolean') throw wrong();
    return { type, value };
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrong();
  if (duckType(type) === 'BIGINT' && typeof value === 'number' && !Number.isSafeInteger(value)) throw wrong();
  return { type, value };
}

interface FormatWriter {
  start: string;
  hasHeader: boolean;
  cells: CellWriter[];
  row: {
    open: string;
    close: string;
    separator: string;
    labels: readonly string[] | undefined;
    empty: string;
  };
  end(rows: number): string;
}

function cellKind(type: SqlType): CellKind {
  if (isTime(type)) return 'time';
  if (type === 'BOOLEAN') return 'boolean';
  if (type === 'FLOAT') return 'float';
  if (isText(type) || type === 'NULL') return 'text';
  return duckType(type) === 'BIGINT' ? 'long' : 'double';
}

function formatWriter(request: Request, columns: readonly OutputColumn[]): FormatWriter {
  const { format } = request;
  const kinds = columns.map(({ type }) => cellKind(type));
  const lines = format.endsWith('Lines') || format === 'csv';
  const objects = format === 'object' || format === 'objectLines';
  const cells = kinds.map(format === 'csv' ? csvCell : jsonCell);
  const [open, close] =
    format === 'csv' ? ['', '\n'] : objects ? ['{', lines ? '}\n' : '}'] : ['[', lines ? ']\n' : ']'];
  const separator = lines ? '' : ',';
  const labels = objects ? columns.map(({ name }) => `${JSON.stringify(name)}:`) : undefined;
  const header = request.header ? headerTexts(request, columns) : [];
  const opening = lines ? '' : '[';
  return {
    start: opening + header.map((text) => open + text + close).join(separator),
    hasHeader: header.length > 0,
    cells,
    row: { open, close, separator, labels, empty: format === 'csv' ? '' : 'null' },
    // Druid ends a line format without any line with two line breaks, CSV with one.
    end: (rows) => (!lines ? ']\n' : rows === 0 && header.length === 0 && format !== 'csv' ? '\n\n' : '\n'),
  };
}

function headerTexts({ format, types, sqlTypes }: Request, columns: readonly OutputColumn[]): string[] {
  if (format === 'object' || format === 'objectLines') {
    const fields = columns.map(({ name, type }) => {
      const value =
        types || sqlTypes
          ? { ...(types && { type: nativeType(type) }), ...(sqlTypes && { sqlType: type }) }
          : null;
      return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
    });
    return [fields.join(',')];
  }
  const rows = [columns.map(({ name }) => name)];
  if (types) rows.push(columns.map(({ type }) => nativeType(type)));
  if (sqlTypes) rows.push(columns.map(({ type }) => type));
  return rows.map((row) =>
    row.map((text) => (format === 'csv' ? csvText(text) : JSON.stringify(text))).join(','),
  );
}
