import { DruidRemoteError, type SqlErrorPosition } from './errors.js';

// Statements may be megabytes in one line.
const maxExcerptWidth = 100;

/**
 * Adds the place in `sql` that Druid complains about to its error: the line with a caret below it in the message, the
 * position in `details.sqlPosition`. Other errors, and those that name no place, are returned as they are.
 */
export function withSqlPosition(error: unknown, sql: string): unknown {
  if (!DruidRemoteError.is(error) || error.details.sqlPosition !== undefined) return error;
  const { druid } = error.details;
  const position =
    positionInContext(druid.context) ?? positionInMessage(druid.errorMessage ?? druid.error ?? '');
  const excerpt = position && excerptAt(sql, position);
  if (position === undefined || excerpt === undefined) return error;
  return new DruidRemoteError({
    message: `${error.message.replace(expectations, '.$1')}\n${excerpt}`,
    details: { ...error.details, sqlPosition: { ...position, excerpt } },
    retryable: error.retryable,
    cause: error,
  });
}

// Calcite lists every token that it would have taken, a screen full; `details.druid` keeps them. The request is named last.
const expectations = /\.?(?:\s*Was expecting one of:|, acceptable options: \[)[^]*?( \[request [^\]\s]+\])?$/;

type Position = Omit<SqlErrorPosition, 'excerpt'>;

function positionInContext(context: Readonly<Record<string, unknown>> | undefined): Position | undefined {
  if (context === undefined) return undefined;
  return position(context['line'], context['column'], context['endLine'], context['endColumn']);
}

// "(line [1], column [22])", and in servers before 27 "At line 1, column 8" and "From line 1, column 8 to line 1, column 11".
const inMessage = /line \[?(\d+)\]?, column \[?(\d+)\]?(?: to line \[?(\d+)\]?, column \[?(\d+)\]?)?/;

function positionInMessage(message: string): Position | undefined {
  const match = inMessage.exec(message);
  return match === null ? undefined : position(match[1], match[2], match[3], match[4]);
}

function position(
  line: unknown,
  column: unknown,
  endLine: unknown,
  endColumn: unknown,
): Position | undefined {
  const start = { line: Number(line), column: Number(column) };
  if (!isPlace(start.line) || !isPlace(start.column)) return undefined;
  const end = { endLine: Number(endLine), endColumn: Number(endColumn) };
  return isPlace(end.endLine) && isPlace(end.endColumn) ? { ...start, ...end } : start;
}

function isPlace(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 1;
}

function excerptAt(sql: string, { line, column, endLine, endColumn }: Position): string | undefined {
  const text = sql.split(/\r\n|\n|\r/)[line - 1];
  if (text === undefined || column > text.length + 1) return undefined;
  const isOneLine = endLine === line && endColumn !== undefined && endColumn >= column;
  const last = Math.min(isOneLine ? endColumn : column, text.length);
  const from = text.length <= maxExcerptWidth ? 0 : Math.max(0, column - 1 - maxExcerptWidth / 2);
  const to = Math.min(text.length, from + maxExcerptWidth);
  const before = `${from > 0 ? '…' : ''}`;
  // Control characters would move the caret, or do worse to a terminal.
  const shown = before + text.slice(from, to).replace(/\p{Cc}/gu, ' ') + (to < text.length ? '…' : '');
  const gutter = `  ${line} | `;
  const indent = ' '.repeat(before.length + column - 1 - from);
  const carets = '^'.repeat(Math.max(1, Math.min(last, to) - column + 1));
  return `${gutter}${shown}\n${' '.repeat(gutter.length - 2)}| ${indent}${carets}`;
}
