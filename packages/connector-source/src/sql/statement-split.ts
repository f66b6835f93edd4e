import type { SourceSplit } from '@millrace/core-stream';
import type { FoundSplits } from '../progress.js';

/** A page of a statement's result and how far its rows were emitted. Plain data: this is what a checkpoint stores. */
export interface StatementSplit extends SourceSplit {
  /** Fingerprint of the statement and its parameters. */
  readonly query: string;
  /** The statement's id in Druid: `query-…`. */
  readonly queryId: string;
  /** The page's id. */
  readonly page: number;
  /** Rows of the page; null where Druid does not say. */
  readonly rows: number | null;
  /** Rows emitted so far. */
  readonly position: number;
}

/** What a checkpoint stores of the enumerator. Plain data. */
export interface StatementEnumeratorState {
  readonly format: 1;
  readonly query: string;
  /** Chosen before the statement is submitted: a submission with it that is repeated finds the first one. */
  readonly sqlQueryId: string;
  /** Whether Druid has taken the statement. */
  readonly isSubmitted: boolean;
  /** Pages that no reader has; null until there is a result. */
  readonly pending: readonly StatementSplit[] | null;
  /** For metrics; null until there is a result. */
  readonly found: FoundSplits | null;
}
