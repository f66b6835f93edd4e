import { druidSchema, type DruidSchema } from '../schema/druid-schema.js';
import type { Granularity } from '../schema/time-chunks.js';

/** Where records go that are no rows: rows of a datasource, written and committed as all others are. */
export interface DeadLetterOptions {
  /** Must not be a datasource that records are written to. */
  readonly dataSource: string;
  /** The length of its segments. Default `day`. */
  readonly segmentGranularity?: Granularity;
}

/** A row of the dead letters' datasource. */
export interface DeadLetter {
  /** When it was found, in epoch milliseconds: becomes `__time`. The record's own time may be what is wrong with it. */
  readonly foundAtMs: number;
  /** Where the record was meant to go. */
  readonly dataSource: string;
  /** The record's field that is wrong; empty where it is the record as a whole. */
  readonly column: string;
  readonly reason: string;
  /** As the job's `describeRecord` shows it, so that secrets stay out. */
  readonly record: string;
}

/** @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) */
export function deadLetterSchema({
  dataSource,
  segmentGranularity = 'day',
}: DeadLetterOptions): DruidSchema<DeadLetter> {
  return druidSchema<DeadLetter>()({
    dataSource,
    timestamp: 'foundAtMs',
    dimensions: { dataSource: 'string', column: 'string', reason: 'string', record: 'string' },
    segmentGranularity,
  });
}

/** The letter with texts that a row can hold, whatever they were made of. */
export function wellFormed(letter: DeadLetter): DeadLetter {
  const { dataSource, reason, record } = letter;
  return {
    ...letter,
    dataSource: replaceLone(dataSource),
    reason: replaceLone(reason),
    record: replaceLone(record),
  };
}

function replaceLone(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
}
