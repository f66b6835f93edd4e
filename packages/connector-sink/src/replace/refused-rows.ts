import type { Counter, SinkWriterContext } from '@millrace/core-stream';
import { DruidSinkRecordError } from '../errors.js';
import type { RejectedValue } from '../schema/row-encoder.js';
import type { TimeRange } from '../schema/time-chunks.js';
import { wellFormed, type DeadLetter } from '../spool/dead-letters.js';
import { InvalidRecords, type InvalidRecordPolicy } from '../spool/invalid-records.js';
import type { LateRow } from './replace-options.js';

export interface RefusedRowsOptions<T> {
  readonly dataSource: string;
  readonly context: Pick<SinkWriterContext, 'clock' | 'describer' | 'metrics'>;
  /** For how long a chunk's rows were taken after its end, in milliseconds of event time. */
  readonly takenMs: number;
  readonly onInvalidRecord: InvalidRecordPolicy<T>;
  readonly onLateRow: 'fail' | 'dead-letter' | ((late: LateRow<T>) => void);
  readonly writeLetter: (letter: DeadLetter) => void;
}

/** What becomes of records that are no rows of any chunk. */
export class RefusedRows<T> {
  readonly #options: RefusedRowsOptions<T>;
  readonly #invalid: InvalidRecords<T>;
  readonly #late: Counter;

  constructor(options: RefusedRowsOptions<T>) {
    const { context, onInvalidRecord } = options;
    this.#options = options;
    this.#invalid = new InvalidRecords(onInvalidRecord, context);
    const description = 'Rows whose chunk had been given up.';
    this.#late = context.metrics.counter('numLateRecordsDropped', { description });
  }

  /** @throws DruidSinkRecordError */
  invalid(record: T, rejected: RejectedValue): void {
    const { dataSource, writeLetter } = this.#options;
    const letter = this.#invalid.reject(record, rejected, dataSource);
    if (letter !== undefined) writeLetter(letter);
  }

  /** @throws DruidSinkRecordError */
  late(record: T, { start, end }: TimeRange): void {
    const { onLateRow, writeLetter, dataSource, takenMs, context } = this.#options;
    this.#late.inc();
    if (typeof onLateRow === 'function') {
      onLateRow({ record, chunk: { start, end } });
      return;
    }
    const chunk = new Date(start).toISOString();
    const reason = `its chunk of time, which begins at ${chunk}, was given up when event time had passed its end by ${takenMs} ms`;
    if (onLateRow === 'dead-letter') {
      const text = context.describer.describeRecord(record);
      writeLetter(
        wellFormed({ foundAtMs: context.clock.now(), dataSource, column: '', reason, record: text }),
      );
      return;
    }
    throw new DruidSinkRecordError(
      `A record for datasource '${dataSource}' is late: ${reason}. Raise 'retainChunksMs' for chunks to come, and set ` +
        `'deadLetters' or 'onLateRow' to collect such records.`,
      { details: { dataSource, chunk } },
    );
  }
}
