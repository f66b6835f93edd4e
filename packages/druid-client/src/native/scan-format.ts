import { z } from 'zod';
import { RowDecoder, type Int64Mode } from '../columns.js';
import type { DecodedJson } from '../json-decode.js';
import { parseWith } from '../json-request.js';
import type { ResultFormat } from '../result-stream.js';
import { AnswerElements } from './answer-elements.js';

/** Some rows of one segment. */
export interface ScanBatch {
  readonly segmentId: string;
  readonly columns: readonly string[];
  /** Druid's native types by column (`LONG`, `DOUBLE`, `STRING`, …); undefined if the server does not tell. */
  readonly types: readonly (string | null)[] | undefined;
  /** Values in the order of `columns`. `__time` is epoch milliseconds. */
  readonly rows: unknown[][];
}

const scanValue = z.looseObject({
  segmentId: z.string().nullish(),
  columns: z.array(z.string()),
  events: z.custom<unknown[]>(Array.isArray, 'not an array'),
  rowSignature: z.array(z.looseObject({ name: z.string(), type: z.string().nullish() })).nullish(),
});

/** The answer to a scan query in `compactedList`, as batches. */
export class ScanFormat implements ResultFormat<ScanBatch> {
  rowCount = 0;
  private readonly elements = new AnswerElements();
  private readonly int64: Int64Mode;
  private readonly operation: string;

  constructor(int64: Int64Mode, operation: string) {
    this.int64 = int64;
    this.operation = operation;
  }

  get isComplete(): boolean {
    return this.elements.isComplete;
  }

  push(chunk: Buffer): ScanBatch[] {
    return this.elements.push(chunk).map((element) => this.batch(element));
  }

  /** One element of the answer. @throws DruidDecodeError */
  batch({ value, hasBigInt }: DecodedJson): ScanBatch {
    const { segmentId, columns, events, rowSignature } = parseWith(scanValue, value, this.operation);
    // The signature may list more columns than were asked for, in another order.
    const byName = rowSignature && new Map(rowSignature.map(({ name, type }) => [name, type ?? null]));
    const types = byName ? columns.map((name) => byName.get(name) ?? null) : undefined;
    const decoder = new RowDecoder({ names: columns, types }, this.int64, this.operation);
    const rows = decoder.decode(events, hasBigInt, this.rowCount);
    this.rowCount += rows.length;
    return { segmentId: segmentId ?? '', columns, types, rows };
  }
}
