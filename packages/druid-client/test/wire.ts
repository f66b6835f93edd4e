/** Naive readers of Druid's SQL result formats, with nothing of the package's own in them: oracles for tests. */

/** Druid's SQL result formats. */
export const wireFormats = ['object', 'array', 'objectLines', 'arrayLines', 'csv'] as const;

export type WireFormat = (typeof wireFormats)[number];

/** A JSON number as it was written. */
export class Literal {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The rows of a result that was asked for with `header: true`, in the order of `names`. */
export function readWire(format: WireFormat, body: string, names: readonly string[]): unknown[][] {
  if (format === 'csv') {
    const [header, ...rows] = readCsv(body);
    if (header?.join() !== names.join()) throw new Error(`unexpected header ${header?.join()}`);
    return rows;
  }
  const values = format.endsWith('Lines')
    ? body
        .split('\n')
        .filter((line) => line !== '')
        .map(readJson)
    : (readJson(body) as unknown[]);
  const rows = values.map((value) =>
    Array.isArray(value)
      ? (value as unknown[])
      : names.map((name) => (value as Record<string, unknown>)[name]),
  );
  return rows.slice(1); // the header
}

/** `JSON.parse` with numbers as {@link Literal}, for JSON that has no zero byte as a key. */
export function readJson(json: string): unknown {
  const marked = json.replace(/"[^"\\]*(?:\\[^][^"\\]*)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `{"\\u0000":"${token}"}`,
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'object' && value !== null && '\0' in value ? new Literal(String(value['\0'])) : value,
  );
}

/** Rows of RFC 4180, up to the empty line that ends a result. */
function readCsv(body: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /("[^"]*(?:""[^"]*)*"|[^,\n]*)(,|\n|$)/y;
  for (let at = 0; at < body.length; at = cell.lastIndex) {
    cell.lastIndex = at;
    const match = cell.exec(body);
    if (match === null) throw new Error(`no CSV at ${at}`);
    const [, text = '', end] = match;
    row.push(text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);
    if (end === ',') continue;
    if (row.length === 1 && row[0] === '' && cell.lastIndex >= body.length) return rows;
    rows.push(row);
    row = [];
  }
  throw new Error('the CSV does not end in an empty line');
}
