import { ManualClock, TestMetrics } from '@millrace/core-stream/testing';
import { onTestFinished } from 'vitest';
import type { DruidRoutes } from '../../src/index.js';
import { commitSize, type CommitSizeOptions } from '../../src/spool/commit-size.js';
import type { DeadLetterOptions } from '../../src/spool/dead-letters.js';
import type { OpenSpoolFile } from '../../src/spool/open-rows.js';
import { SpoolDirectory } from '../../src/spool/spool-directory.js';
import { spoolEncoding, type SpoolCompression } from '../../src/spool/spool-encoding.js';
import { SpoolLedger } from '../../src/spool/spool-ledger.js';
import { SpoolTargets } from '../../src/spool/spool-target.js';
import { SpoolWriter, type SpoolWriterOptions } from '../../src/spool/spool-writer.js';
import { FIRST_DAY, flightSchema, temporaryDirectory, type Flight } from './sink-harness.js';

export interface WriterOptions<T> extends Partial<SpoolWriterOptions<T>>, CommitSizeOptions {
  readonly schema?: ReturnType<typeof flightSchema> | DruidRoutes<T>;
  readonly deadLetters?: DeadLetterOptions;
  readonly compression?: SpoolCompression;
  /** What a checkpoint had open. */
  readonly restored?: readonly OpenSpoolFile[];
  readonly clock?: ManualClock;
}

let ids = 0;

/** A writer of flights, or of what `schema` says. Ids count from `id-0` in each test. */
export async function newWriter<T = Flight>(options: WriterOptions<T> = {}) {
  onTestFinished(() => {
    ids = 0;
  });
  const directory =
    options.directory ??
    new SpoolDirectory(await temporaryDirectory(), { operatorUid: 'sink', jobId: 'job' });
  await directory.prepare();
  const schema = (options.schema ?? flightSchema('flights')) as DruidRoutes<T>;
  const ledger = options.ledger ?? new SpoolLedger(1e9);
  const clock = options.clock ?? new ManualClock(FIRST_DAY);
  const metrics = new TestMetrics();
  const context = {
    subtaskIndex: 0,
    clock,
    metrics: metrics.group,
    describer: { describeRecord: (record: unknown) => JSON.stringify(record), describeError: String },
  };
  const writer = new SpoolWriter<T>({
    targets: new SpoolTargets<T>(schema, {
      commitIdColumn: '__commit_id',
      deadLetters: options.deadLetters,
    }),
    commitIdColumn: '__commit_id',
    directory,
    encoding: spoolEncoding(options.compression ?? 'none'),
    ledger,
    context,
    chunkSize: 1_000,
    maxFileBytes: 1e9,
    maxBufferedBytes: 1e9,
    commitSize: commitSize(options),
    onInvalidRecord: options.deadLetters === undefined ? 'fail' : 'dead-letter',
    createId: () => `id-${ids++}`,
    ...options,
  });
  await writer.restore(options.restored ?? []);
  return { writer, directory, ledger, clock, metrics, context };
}

export async function bytesOnDisk(directory: SpoolDirectory): Promise<number> {
  return [...(await directory.list()).values()].reduce((sum, bytes) => sum + bytes, 0);
}
