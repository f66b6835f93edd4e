import type { OperatorSize } from '../checkpoint/savepoint-reader.js';

const HEADER = ['uid', 'operator', 'subtasks', 'state', 'kind', 'version', 'ttl', 'count', 'bytes'];
/** Columns of numbers. */
const RIGHT = new Set(['subtasks', 'version', 'count', 'bytes']);

/** A line for each state and table, for people. */
export function formatSizes(operators: readonly OperatorSize[]): string {
  const rows = operators.flatMap((operator) => {
    const { uid, type, parallelism, states, tables } = operator;
    const first = [uid, type, String(parallelism)];
    const lines = [
      ...states.map(({ name, kind, version, hasTtl, count, bytes }) => [
        ...[name, kind, String(version), hasTtl ? 'yes' : ''],
        ...[String(count), String(bytes)],
      ]),
      ...tables.map(({ table, rows: count, bytes }) => [table, 'rows', '', '', String(count), String(bytes)]),
    ];
    if (lines.length === 0) lines.push(['', '', '', '', '', '']);
    return lines.map((line, index) => [...(index === 0 ? first : ['', '', '']), ...line]);
  });
  const all = [HEADER, ...rows];
  const widths = HEADER.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, i) => (RIGHT.has(HEADER[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
