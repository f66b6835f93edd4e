import type { Clock, Source, SourceSplit } from '@millrace/core-stream';
import type { Random } from './random.js';
import { TestJob, type TestCheckpoint } from './test-job.js';

export interface KilledRuns<Row, SplitT extends SourceSplit, EnumStateT> {
  readonly source: Source<Row, SplitT, EnumStateT>;
  readonly random: Random;
  /** After so many kills the job is left alone. */
  readonly kills: number;
  readonly clock?: Clock;
  /** What happens in the world meanwhile; called before each step. */
  readonly meanwhile?: (committed: readonly Row[]) => void;
  /** Of a source that does not end by itself: whether these rows are all that will come. */
  readonly isDone?: (committed: readonly Row[]) => boolean;
}

/**
 * Runs a source through kills at random points, each start at a random parallelism, and returns what a transactional sink would
 * have made visible: rows emitted before a checkpoint. What came after the last checkpoint of a killed run is lost, and so is the
 * checkpoint's successor. An error that may be retried counts as a kill, as it restarts a job.
 */
export async function readThroughKills<Row, SplitT extends SourceSplit, EnumStateT>(
  options: KilledRuns<Row, SplitT, EnumStateT>,
): Promise<{ readonly rows: Row[]; readonly kills: number }> {
  const { source, random, clock, meanwhile, isDone } = options;
  const rows: Row[] = [];
  let restored: TestCheckpoint<SplitT, EnumStateT> | undefined;
  for (let kills = 0; ; kills++) {
    const job = new TestJob<Row, SplitT, EnumStateT>(source, {
      parallelism: 1 + random.below(3),
      ...(restored && { restored }),
      ...(clock && { clock }),
    });
    let committed = 0;
    const commit = (): void => {
      restored = job.checkpoint();
      rows.push(...job.rows().slice(committed));
      committed = job.emitted.length;
    };
    // Half of the kills come soon, perhaps before the first row, the others in the middle of the rows.
    const isSoon = random.oneIn(2);
    const life = random.below(isSoon ? 30 : 120);
    const isKilled = (step: number): boolean =>
      kills < options.kills && (isSoon ? step : job.emitted.length) > life;
    try {
      for (let step = 0; !isKilled(step) && !job.isEnded; step++) {
        meanwhile?.(rows);
        if (random.oneIn(3)) await job.breathe();
        else job.poll(random.below(job.readers.length), 1 + random.below(40));
        if (random.oneIn(8)) commit();
        if (isDone?.(rows) === true) return { rows, kills };
        if (step > 20_000) throw new Error(`The source is stuck after ${rows.length} rows`);
      }
      if (job.isEnded) {
        commit();
        return { rows, kills };
      }
    } catch (error) {
      if ((error as { retryable?: boolean }).retryable !== true) throw error;
      if (kills > options.kills + 50) throw error;
    } finally {
      await job.stop();
    }
  }
}
