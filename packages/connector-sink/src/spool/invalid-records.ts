import type { Counter, SinkWriterContext } from '@millrace/core-stream';
import { DruidSinkRecordError } from '../errors.js';
import type { RejectedValue } from '../schema/row-encoder.js';
import { wellFormed, type DeadLetter } from './dead-letters.js';

/** A record that is no row, as {@link DruidSinkOptions.onInvalidRecord} gets it. */
export interface InvalidRecord<T> extends RejectedValue {
  readonly record: T;
}

/** What becomes of records that are no rows. */
export type InvalidRecordPolicy<T> = 'fail' | 'dead-letter' | ((invalid: InvalidRecord<T>) => void);

export class InvalidRecords<T> {
  readonly #policy: InvalidRecordPolicy<T>;
  readonly #context: Pick<SinkWriterContext, 'clock' | 'describer'>;
  readonly #count: Counter;

  constructor(
    policy: InvalidRecordPolicy<T>,
    context: Pick<SinkWriterContext, 'clock' | 'describer' | 'metrics'>,
  ) {
    this.#policy = policy;
    this.#context = context;
    this.#count = context.metrics.counter('numInvalidRecords', {
      description: 'Records that could not be rows.',
    });
  }

  /** The dead letter to write, where that is what is wanted. @throws DruidSinkRecordError */
  reject(record: T, { column, reason }: RejectedValue, dataSource: string): DeadLetter | undefined {
    this.#count.inc();
    if (this.#policy === 'dead-letter') {
      const { clock, describer } = this.#context;
      const text = describer.describeRecord(record);
      return wellFormed({ foundAtMs: clock.now(), dataSource, column, reason, record: text });
    }
    if (this.#policy !== 'fail') {
      this.#policy({ record, column, reason });
      return undefined;
    }
    const where = column === '' ? '' : `column '${column}': `;
    throw new DruidSinkRecordError(
      `A record for datasource '${dataSource}' cannot be written: ${where}${reason}. ` +
        `Correct it upstream, or collect such records by 'onInvalidRecord' or 'deadLetters'.`,
      { details: { dataSource, column, reason } },
    );
  }
}
