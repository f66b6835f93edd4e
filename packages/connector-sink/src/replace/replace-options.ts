import type { CommitDone } from '../commit/commit-event.js';
import { DruidSinkConfigError } from '../errors.js';
import { oneOf, positive, reject } from '../option-checks.js';
import type { DruidSchema } from '../schema/druid-schema.js';
import type { TimeRange } from '../schema/time-chunks.js';
import { resolveSinkOptions, type DruidSinkOptions } from '../sink-options.js';

/** A record that came after its chunk was given up. */
export interface LateRow<T> {
  readonly record: T;
  readonly chunk: TimeRange;
}

/** A chunk of time is in Druid, in the place of what was there: what `onCommit` of mode `replace` gets. */
export interface ChunkReplaced extends Omit<CommitDone, 'rejectedRows'> {
  readonly chunk: TimeRange;
  /** 1 for the chunk's first, one more each time that late rows were added. */
  readonly revision: number;
}

/** What the modes `append` and `replace` have in common. */
type SharedOptions<T> = Pick<
  DruidSinkOptions<T>,
  | 'druid'
  | 'schemaConflict'
  | 'preAggregate'
  | 'spoolDirectory'
  | 'advertisedHost'
  | 'port'
  | 'inlineMaxBytes'
  | 'maxSpoolFileBytes'
  | 'maxSpoolBytes'
  | 'maxBufferedBytes'
  | 'taskContext'
  | 'tuningConfig'
  | 'onInvalidRecord'
  | 'deadLetters'
  | 'taskPollIntervalMs'
  | 'maxConcurrentTasks'
  | 'maxAttempts'
  | 'unavailableTimeoutMs'
  | 'queryableTimeoutMs'
>;

/** Options of {@link DruidSink} in mode `replace`. */
export interface ReplaceSinkOptions<T> extends SharedOptions<T> {
  /** Whole chunks of time (of the schema's `segmentGranularity`) are overwritten once event time has passed them. */
  readonly mode: 'replace';
  /** Made by `druidSchema`. */
  readonly schema: DruidSchema<T>;
  /** How far event time has to be past a chunk's end until the chunk is written, in milliseconds. Default 0. */
  readonly allowedLatenessMs?: number;
  /**
   * For how much longer, in milliseconds of event time, a chunk's rows are kept on disk: late rows rewrite it meanwhile.
   * Default 0.
   */
  readonly retainChunksMs?: number;
  /** What becomes of a record whose chunk was given up. Default: a dead letter where there are some, else the job stops. */
  readonly onLateRow?: 'fail' | ((late: LateRow<T>) => void);
  /**
   * How chunks are written. Default `native`: `index_parallel` tasks. `msq`: the statement REPLACE, where the server has it;
   * without metrics, roll-up and query granularity.
   */
  readonly via?: 'native' | 'msq';
  /**
   * What a commit waits for. Default `queryable`: the Broker has the chunk's new segments and counts its rows. `published`:
   * the task's SUCCESS, with `via: 'native'` only.
   */
  readonly waitUntil?: 'queryable' | 'published';
  /** Called once for each revision that is in Druid. */
  readonly onCommit?: (event: ChunkReplaced) => void;
}

/** The options with their defaults. */
export type ResolvedReplaceOptions<T> = ReturnType<typeof resolveReplaceOptions<T>>;

/** @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) */
export function resolveReplaceOptions<T>(options: ReplaceSinkOptions<T>) {
  const { mode: _mode, onCommit, via = 'native', schema, ...shared } = options;
  const resolved = resolveSinkOptions<T>({ ...shared, schema, commitIdColumn: false });
  if (schema.segmentGranularity === 'all') {
    throw new DruidSinkConfigError(
      `'segmentGranularity' is 'all': one chunk without end is never final. Choose a shorter one for mode 'replace'.`,
      { details: { option: 'segmentGranularity', value: 'all' } },
    );
  }
  oneOf('waitUntil', resolved.waitUntil, ['queryable', 'published']);
  if (via === 'msq' && resolved.waitUntil === 'published')
    reject(
      'waitUntil',
      `'published'`,
      "use 'queryable' with via: 'msq': only a count tells whether a query has read all rows",
    );
  return {
    ...resolved,
    schema,
    via: oneOf('via', via, ['native', 'msq']),
    onLateRow: options.onLateRow ?? (hasLateLetters(options) ? ('dead-letter' as const) : ('fail' as const)),
    onCommit,
    allowedLatenessMs: positive('allowedLatenessMs', options.allowedLatenessMs, 0, 0),
    retainChunksMs: positive('retainChunksMs', options.retainChunksMs, 0, 0),
  };
}

/** Late rows that were rolled up are records no more. */
function hasLateLetters<T>({ deadLetters, preAggregate = false }: ReplaceSinkOptions<T>): boolean {
  return deadLetters !== undefined && preAggregate === false;
}
