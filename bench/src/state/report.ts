/** `entries`: one key whose map has an entry for each of what are keys elsewhere. */
export const STATE_TYPES = ['value', 'list', 'map', 'entries', 'reducing', 'aggregating'] as const;
export type StateType = (typeof STATE_TYPES)[number];

export const BACKENDS = ['heap', 'disk'] as const;
export type Backend = (typeof BACKENDS)[number];

export interface StateRunOptions {
  readonly type: StateType;
  readonly backend: Backend;
  readonly keys: number;
  /** Records of the phases that read and update at random. */
  readonly records: number;
  /** Of disk state. */
  readonly cacheBytes: number;
}

export interface CheckpointFigures {
  readonly bytes: number;
  /** From its trigger until it is durable. */
  readonly durationMs: number;
  /** The longest time in which nothing else was done. */
  readonly pauseMs: number;
}

export interface RestoreFigures {
  /** `local` where state on disk is taken back; else the segments are read. */
  readonly from: 'segments' | 'local';
  /** From the start of the job to its first record. */
  readonly durationMs: number;
}

/** Rates are records per second of a whole job: source, `keyBy`, function, one access to state per record. */
export interface StateReport extends StateRunOptions {
  readonly fillPerSecond: number;
  readonly getPerSecond: number;
  readonly updatePerSecond: number;
  readonly fullCheckpoint: CheckpointFigures;
  /** After one key in a hundred was changed. */
  readonly smallCheckpoint: CheckpointFigures;
  readonly restores: readonly RestoreFigures[];
  /** With all keys, after a collection. */
  readonly heapMb: number;
  readonly residentMb: number;
  /** Over the contents of all keys: the same before and after each restore. */
  readonly hash: string;
}
