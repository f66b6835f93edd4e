/** Tables and records: lines for people, no longer than asked for. */
import { cut, plainText, visible, widthOf } from './cell-text.js';
import type { OutputColumn, RowBatches, RowOptions, Rows } from './row-formats.js';

type TextOptions = Pick<RowOptions, 'width' | 'note'>;
type Row = readonly unknown[];

// Enough for honest widths, little enough to be held and waited for.
const sampleRows = 500;
const sampleCharacters = 4 << 20;
// Texts behind the first rows may be longer.
const roomToGrow = 1.5;
const gap = '  ';
// Below that a column says nothing any more.
const leastWidth = 8;
// A cell is one grapheme, which may be several code units.
const unitsPerCell = 16;

/** A line for each row. Widths are those of the first rows; where the columns do not fit, it is records. */
export async function* tableText(rows: Rows, options: TextOptions): AsyncGenerator<string, void, undefined> {
  const iterator = rows.batches[Symbol.asyncIterator]();
  const cells = new Cells(rows, options);
  try {
    const sample: Row[] = [];
    let [isOver, characters] = [false, 0];
    while (!isOver && sample.length < sampleRows && characters < sampleCharacters) {
      const { done, value } = await iterator.next();
      if (done === true) isOver = true;
      else {
        for (const row of value) {
          sample.push(row);
          characters += lengthOf(row);
        }
      }
    }
    const columns = rows.columns();
    const rest = remaining(sample, isOver ? undefined : iterator);
    const widths = columnWidths(columns, sample, cells, isOver ? 1 : roomToGrow);
    yield* widths === undefined ? records(columns, rest, cells) : lines(columns, widths, rest, cells);
  } finally {
    await iterator.return?.();
  }
  cells.noteCuts();
}

/** A line for each value, under the number of its row. */
export async function* recordsText(
  rows: Rows,
  options: TextOptions,
): AsyncGenerator<string, void, undefined> {
  const cells = new Cells(rows, options);
  let count = 0;
  for await (const batch of rows.batches) {
    yield* records(rows.columns(), [batch], cells, count);
    count += batch.length;
  }
  cells.noteCuts();
}

function lengthOf(row: Row): number {
  return row.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);
}

async function* remaining(
  sample: readonly Row[],
  iterator: AsyncIterator<readonly Row[]> | undefined,
): AsyncGenerator<readonly Row[], void, undefined> {
  yield sample;
  if (iterator !== undefined) yield* { [Symbol.asyncIterator]: () => iterator };
}

/** Undefined where the columns do not fit. */
function columnWidths(
  columns: readonly OutputColumn[],
  sample: readonly Row[],
  cells: Cells,
  growth: number,
): readonly number[] | undefined {
  const most = cells.width === 0 ? Infinity : cells.width;
  const natural = columns.map((column, i) =>
    sample.reduce(
      (widest, row) => Math.max(widest, widthOf(cells.shown(column, row[i], most))),
      widthOf(visible(column.name)),
    ),
  );
  const texts = natural.filter((_, i) => !isWhole(columns[i]!));
  const numbers = natural.filter((_, i) => isWhole(columns[i]!));
  const room = most - gap.length * (columns.length - 1) - numbers.reduce((sum, width) => sum + width, 0);
  const grown = (width: number) => Math.ceil(width * growth);
  const limit = widestLimit(texts.map(grown), room);
  if (room < 0 || limit < Math.min(leastWidth, Math.max(0, ...texts))) return undefined;
  return natural.map((width, i) => (isWhole(columns[i]!) ? width : Math.min(grown(width), limit)));
}

function isWhole({ isNumber = false, isWhole: mustBe = false }: OutputColumn): boolean {
  return isNumber || mustBe;
}

/** The largest limit for a column with which all of them have room. */
function widestLimit(widths: readonly number[], room: number): number {
  const ascending = [...widths].sort((a, b) => a - b);
  let left = room;
  for (const [i, width] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - i));
    if (width > share) return share;
    left -= width;
  }
  return Infinity;
}

async function* lines(
  columns: readonly OutputColumn[],
  widths: readonly number[],
  batches: RowBatches,
  cells: Cells,
): AsyncGenerator<string, void, undefined> {
  const line = (values: readonly string[]) =>
    `${values.map((text, i) => padded(text, widths[i]!, columns[i]!.isNumber)).join(gap)}`.trimEnd() + '\n';
  yield line(columns.map(({ name }, i) => cells.fit(visible(name), widths[i]!)));
  yield line(widths.map((width) => '-'.repeat(width)));
  let count = 0;
  for await (const batch of batches) {
    count += batch.length;
    if (batch.length === 0) continue;
    yield batch.map((row) => line(columns.map((column, i) => cells.of(column, row[i], widths[i]!)))).join('');
  }
  yield count === 1 ? '(1 row)\n' : `(${count} rows)\n`;
}

async function* records(
  columns: readonly OutputColumn[],
  batches: RowBatches | readonly (readonly Row[])[],
  cells: Cells,
  first = 0,
): AsyncGenerator<string, void, undefined> {
  const names = columns.map(({ name }) => cells.fit(visible(name), 40));
  const nameWidth = Math.max(0, ...names.map(widthOf));
  const width = cells.width === 0 ? Infinity : Math.max(leastWidth, cells.width - nameWidth - gap.length);
  let count = first;
  for await (const batch of batches) {
    if (batch.length === 0) continue;
    yield batch
      .map((row) => {
        const values = columns.map(
          (column, i) =>
            `${padded(names[i]!, nameWidth)}${gap}${cells.of(column, row[i], width)}`.trimEnd() + '\n',
        );
        count++;
        return (cells.isNumbered ? `--- row ${count} ---\n` : '') + values.join('');
      })
      .join('');
  }
}

function padded(text: string, width: number, isNumber = false): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isNumber ? blanks + text : text + blanks;
}

/** Makes values fit, and remembers whether any did not. */
class Cells {
  readonly width: number;
  readonly isNumbered: boolean;
  private readonly nullText: string;
  private readonly note: (text: string) => void;
  private hasCut = false;

  constructor({ nullText, isSingle = false }: Rows, { width, note }: TextOptions) {
    this.width = width;
    this.isNumbered = !isSingle;
    this.nullText = nullText;
    this.note = note;
  }

  /** A value in one line; of a long one no more than could be seen. */
  shown({ show }: OutputColumn, value: unknown, width: number): string {
    if (value === null || value === undefined) return this.nullText;
    const text = show?.(value) ?? plainText(value);
    const most = width * unitsPerCell;
    if (text.length <= most) return visible(text);
    this.hasCut = true;
    return visible(`${text.slice(0, most)}…`);
  }

  of(column: OutputColumn, value: unknown, width: number): string {
    // Then the widths of the first rows are for alignment only.
    if (this.width === 0 || isWhole(column)) return this.shown(column, value, Infinity);
    return this.fit(this.shown(column, value, width), width);
  }

  fit(text: string, width: number): string {
    if (this.width === 0) return text;
    const fitting = cut(text, width);
    if (fitting !== text) this.hasCut = true;
    return fitting;
  }

  noteCuts(): void {
    if (this.hasCut)
      this.note('Values that end in … are cut: --width 0 or another --format shows them whole.');
  }
}
