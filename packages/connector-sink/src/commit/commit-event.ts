/** When the stages of one commit were over, in milliseconds since it began. */
export interface CommitTimings {
  /** Druid has accepted the task (0 where an earlier process submitted it). */
  readonly submittedMs: number;
  /** The task has ended in SUCCESS: the rows are published. */
  readonly taskDoneMs: number;
  /** The Broker answers with the rows; `undefined` where that is not waited for. */
  readonly queryableMs: number | undefined;
}

/** One file is in Druid: what {@link DruidSinkOptions.onCommit} gets. */
export interface CommitDone {
  readonly dataSource: string;
  readonly checkpointId: number;
  readonly subtaskIndex: number;
  readonly taskId: string;
  /** 1 unless earlier attempts failed. */
  readonly attempt: number;
  readonly rows: number;
  /** Rows among them that Druid could not read, and that are handed on. */
  readonly rejectedRows: number;
  readonly bytes: number;
  /** Whether this is from a restored checkpoint. */
  readonly isRecovered: boolean;
  readonly timings: CommitTimings;
}
