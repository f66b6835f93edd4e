import type { JobSnapshot } from '@millrace/core-stream';
import { SOURCE_UID, WATERMARK_UID } from './pipeline.js';

const BAR_WIDTH = 24;
const LOOK_MS = 100;
/** Between two lines where there is no terminal. */
const LINE_MS = 2_000;

/**
 * What a person sees while the job runs: on a terminal one line that changes, else a plain line now and then. It goes to
 * stderr; what is printed through `write` goes to stdout, and never into the middle of that line.
 */
export class Progress {
  readonly #rows: number;
  readonly #isTerminal = process.stderr.isTTY;
  #line = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(rows: number) {
    this.#rows = rows;
  }

  /** A sentence on a line of its own. */
  say(text: string): void {
    this.#clear();
    process.stderr.write(`${text}\n`);
    this.#draw();
  }

  /** For `print()`: the job's own output. */
  write(text: string): void {
    this.#clear();
    process.stdout.write(text);
    this.#draw();
  }

  /** Shows a running job until `end`. */
  follow(snapshot: () => JobSnapshot): void {
    /** Newest last; the rate is that of about the last two seconds. */
    const samples: { readonly at: number; readonly records: number }[] = [];
    let ticks = 0;
    const look = () => {
      const now = snapshot();
      const sample = { at: now.durationMs, records: countOf(now) };
      const oldest = samples[0] ?? sample;
      if (samples.push(sample) > LINE_MS / LOOK_MS) samples.shift();
      const perSecond = ((sample.records - oldest.records) * 1000) / (sample.at - oldest.at || 1);
      this.#show(describeProgress(now, { records: sample.records, rows: this.#rows, perSecond }), ++ticks);
    };
    this.#timer = setInterval(look, LOOK_MS);
  }

  #show(line: string, ticks: number): void {
    if (this.#isTerminal) {
      this.#clear();
      this.#line = line;
      this.#draw();
    } else if (ticks % (LINE_MS / LOOK_MS) === 0) process.stderr.write(`${line}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#clear();
    this.#line = '';
  }

  #clear(): void {
    if (this.#isTerminal && this.#line !== '') process.stderr.write('\r\u001b[K');
  }

  #draw(): void {
    if (this.#isTerminal && this.#line !== '')
      process.stderr.write(this.#line.slice(0, process.stderr.columns - 1));
  }
}

function countOf(snapshot: JobSnapshot): number {
  return snapshot.operators.find(({ uid }) => uid === SOURCE_UID)?.recordsOut ?? 0;
}

/** @example "[######------] 50 %  100,000 of 200,000 records  61,250/s  watermark 2001-01-06 21:14  checkpoint 2" */
export function describeProgress(
  { operators, checkpoints }: JobSnapshot,
  {
    records,
    rows,
    perSecond,
  }: { readonly records: number; readonly rows: number; readonly perSecond: number },
): string {
  const share = records / rows;
  const filled = Math.round(share * BAR_WIDTH);
  const watermark = operators.find(({ uid }) => uid === WATERMARK_UID)?.watermark ?? -Infinity;
  const time = Number.isFinite(watermark)
    ? new Date(watermark).toISOString().slice(0, 16).replace('T', ' ')
    : watermark > 0
      ? 'the end'
      : 'none yet';
  return [
    `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)} %`,
    `${records.toLocaleString('en')} of ${rows.toLocaleString('en')} records`,
    records === rows ? 'committing' : `${Math.max(0, Math.round(perSecond)).toLocaleString('en')}/s`,
    `watermark ${time}`,
    `checkpoint ${checkpoints.lastId ?? checkpoints.restoredId ?? 'none yet'}`,
  ].join('  ');
}
