/**
 * Which rows of a file Druid could not read, from a task's report, proven against the file.
 *
 * Invariant 1: a row is rejected only when the report names its line and what Druid read there was the whole line. Part of a
 * line, as a cut connection leaves it, is no row.
 */
import type { SpoolCommittable } from './committable.js';
import { linesAt } from './file-lines.js';

/** A row that Druid could not read, as `onRejectedRow` gets it. */
export interface RejectedRow {
  readonly dataSource: string;
  /** The same however often the row is told: the file's name and the line. */
  readonly id: string;
  /** From 1, within its file. */
  readonly line: number;
  /** As it was written: one JSON object. */
  readonly text: string;
  /** What Druid says, without the row. */
  readonly reason: string;
  /** When Druid met it, in epoch milliseconds. */
  readonly foundAtMs: number;
}

/** How many rows of a file are looked for in a report. */
export const MAX_REJECTED_ROWS = 1_000;

interface Unparseable {
  readonly input: string;
  readonly reason: string;
  readonly line: number | undefined;
  readonly foundAtMs: number;
}

/**
 * The rows that the task has not read, in the file's order; `undefined` where the report names something that is no whole row
 * of the file.
 */
export async function provenRejections(
  reports: Readonly<Record<string, unknown>> | undefined,
  committable: SpoolCommittable,
  path: string,
): Promise<readonly RejectedRow[] | undefined> {
  const events = unparseableEvents(reports);
  if (events.length === 0) return [];
  const lines = await linesAt(path, new Set(events.map(({ line }) => line ?? 0)));
  const rows = new Map<number, RejectedRow>();
  for (const { line = 0, input, reason, foundAtMs } of events) {
    const text = lines.get(line);
    if (text === undefined || !isWhole(input, text) || rows.has(line)) return undefined; // invariant 1
    const { dataSource } = committable.dataSchema;
    rows.set(line, { dataSource, id: `${committable.file}:${line}`, line, text, reason, foundAtMs });
  }
  return [...rows.values()].sort((a, b) => a.line - b.line);
}

/** Whether the report names anything that Druid could not read. */
export function namesUnparseable(reports: Readonly<Record<string, unknown>> | undefined): boolean {
  return unparseableEvents(reports).length > 0;
}

/**
 * Druid reports the text of what is no JSON, and the fields (`{a=1, b=2}`) of what was read and has no time it can use. An
 * object that was read was whole: its last brace is the line's last character.
 */
function isWhole(input: string, text: string): boolean {
  return input === text || (input.startsWith('{') && !input.startsWith('{"') && isJson(text));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function unparseableEvents(reports: Readonly<Record<string, unknown>> | undefined): Unparseable[] {
  const payload = member(member(reports, 'ingestionStatsAndErrors'), 'payload');
  const byPhase = member(payload, 'unparseableEvents');
  const events = [member(byPhase, 'buildSegments'), member(byPhase, 'determinePartitions')].find(
    (list): list is unknown[] => Array.isArray(list) && list.length > 0,
  );
  return (events ?? [])
    .filter((event) => member(event, 'errorType') === 'unparseable')
    .map((event) => {
      const details = member(event, 'details');
      const said = Array.isArray(details) ? details.join('; ') : 'no reason given';
      const line = /\bLine: (\d+)\)$/.exec(said)?.[1];
      const input = String(member(event, 'input'));
      return {
        input,
        reason: withoutRow(said, input),
        line: line === undefined ? undefined : Number(line),
        foundAtMs: Number(member(event, 'timeOfExceptionMillis') ?? 0),
      };
    });
}

/** What Druid says, without the row, which is for the job's describer to show, and without the address that it was read from. */
export function withoutRow(said: string, input: string): string {
  const reason = said.replace(/\s*\([^()]*\bLine: \d+\)$/, '');
  const begin = input.slice(0, 8);
  if (begin.length < 8) return reason.replaceAll(`[${input}]`, '[…]').slice(0, 200);
  const without = reason.replaceAll(input, '…');
  const rest = without.indexOf(begin);
  return (rest < 0 ? without : `${without.slice(0, rest)}…`).slice(0, 200);
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
