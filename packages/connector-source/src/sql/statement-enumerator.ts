/**
 * Has Druid run one statement by itself, waits for its result, and hands out the pages.
 *
 * Invariant 1: the statement runs once per job: its id is chosen before it is submitted and is in every checkpoint, so a
 *   restored job waits for, or reads, the result of the first run.
 * Invariant 2: a page is in the enumerator's state or in a reader's, never in both.
 * Invariant 3: nothing runs on that nobody will ask for. When the job ends, a statement that no checkpoint holds is
 *   cancelled, and so is one that runs in vain because of a failure that no restart can heal. Any other is left alone: a
 *   restart goes on with it.
 */
import { randomUUID } from 'node:crypto';
import type { SplitEnumerator, SplitEnumeratorContext } from '@millrace/core-stream';
import type { MsqContext, StatementStatus } from '@millrace/druid-client';
import { DruidSourceReadError } from '../errors.js';
import { foundMore, registerProgress, sum, type FoundSplits } from '../progress.js';
import { endOf } from '../scan-failure.js';
import type { OpenClient } from '../split-reader.js';
import type { SqlCall } from './sql-rows.js';
import { requireSameStatement } from './sql-split.js';
import type { StatementEnumeratorState, StatementSplit } from './statement-split.js';

export interface StatementEnumeratorOptions {
  readonly context: SplitEnumeratorContext<StatementSplit>;
  readonly openClient: OpenClient;
  readonly call: SqlCall;
  readonly queryContext: MsqContext;
  readonly query: string;
  readonly maxPollIntervalMs: number;
}

type Look = { readonly status: StatementStatus | undefined } | { readonly failed: unknown };

// Statements take seconds at least: their tasks have to start.
const shortestPollMs = 250;
// About the time in which a Broker restarts; looks back off meanwhile.
const maxFailedLooks = 20;
// The job is ending and waits for it.
const cancelTimeoutMs = 5000;

export class StatementEnumerator implements SplitEnumerator<StatementSplit, StatementEnumeratorState> {
  private readonly options: StatementEnumeratorOptions;
  private readonly client: ReturnType<OpenClient>;
  private readonly waitingReaders = new Set<number>();
  private readonly sqlQueryId: string;
  private isSubmitted: boolean;
  private pending: StatementSplit[] | null;
  private found: FoundSplits | null;
  /** Whether a checkpoint may hold the id. */
  private isStored: boolean;
  private hasAsked: boolean;
  private pollDelayMs = shortestPollMs;
  private failedLooks = 0;

  constructor(options: StatementEnumeratorOptions, restored: StatementEnumeratorState | undefined) {
    if (restored !== undefined) requireSameStatement(restored.query, options.query);
    this.options = options;
    this.sqlQueryId = restored?.sqlQueryId ?? `millrace-${randomUUID()}`; // invariant 1
    this.isSubmitted = restored?.isSubmitted ?? false;
    this.pending = restored?.pending ? [...restored.pending] : null;
    this.found = restored?.found ?? null;
    this.isStored = restored !== undefined;
    this.hasAsked = this.isSubmitted;
    this.client = options.openClient();
    registerProgress(options.context.metrics, () => ({
      splitsTotal: this.found?.splits,
      splitsPending: this.pending?.length,
      rowsTotal: this.found?.rows,
      rowsPending: this.pending === null ? undefined : sum(this.pending.map(rowsOf)),
    }));
  }

  start(): void {
    if (this.pending === null) this.lookAfter(0);
  }

  handleSplitRequest(subtaskIndex: number): void {
    this.waitingReaders.add(subtaskIndex);
    this.serve();
  }

  addSplitsBack(splits: readonly StatementSplit[]): void {
    if (splits.length === 0) return; // there need not be a result yet
    for (const split of splits) requireSameStatement(split.query, this.options.query);
    this.pending = [...splits, ...(this.pending ?? [])].sort((a, b) => a.page - b.page);
    this.serve();
  }

  snapshotState(): StatementEnumeratorState {
    this.isStored = true;
    const { sqlQueryId, isSubmitted, found } = this;
    const pending = this.pending && [...this.pending];
    return { format: 1, query: this.options.query, sqlQueryId, isSubmitted, pending, found };
  }

  async close(): Promise<void> {
    const { context } = this.options;
    const { reason } = context.signal;
    const failsForGood = reason instanceof Error && 'retryable' in reason && reason.retryable === false;
    try {
      const isInVain = this.hasAsked && this.pending === null && (!this.isStored || failsForGood);
      if (isInVain) await this.client.druid.statements.cancel(this.queryId, { timeoutMs: cancelTimeoutMs }); // invariant 3
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      context.logger.warn('Druid statement not cancelled', { queryId: this.queryId, cause });
    } finally {
      this.client.release();
    }
  }

  private get queryId(): string {
    return `query-${this.sqlQueryId}`;
  }

  /** Hands out what there is to whoever waits. */
  private serve(): void {
    const { context } = this.options;
    if (this.pending === null) return;
    for (const reader of this.waitingReaders) {
      const split = this.pending.shift();
      if (split === undefined) context.signalNoMoreSplits(reader);
      else context.assignSplit(split, reader); // invariant 2
      this.waitingReaders.delete(reader);
    }
  }

  private lookAfter(delayMs: number): void {
    this.options.context.callAsync(
      (signal) => this.look(signal),
      (look) => this.onLook(look),
      { delayMs },
    );
  }

  private async look(signal: AbortSignal): Promise<Look> {
    const { call, queryContext: context } = this.options;
    const { sqlQueryId } = this;
    const { statements } = this.client.druid;
    try {
      if (this.isSubmitted) return { status: await statements.status(this.queryId, { signal }) };
      this.hasAsked = true;
      const parameters = call.parameters && { parameters: call.parameters };
      return {
        status: await statements.submit(call.query, { context, sqlQueryId, signal, ...parameters }),
      }; // invariant 1
    } catch (error) {
      signal.throwIfAborted();
      return { failed: error };
    }
  }

  private onLook(look: Look): void {
    const { context, maxPollIntervalMs } = this.options;
    const { queryId } = this;
    if ('failed' in look) {
      this.toleratedFailure(look.failed);
    } else {
      this.failedLooks = 0;
      if (look.status === undefined) throw goneError(queryId);
      if (!this.isSubmitted) context.logger.info('Druid statement submitted', { queryId });
      this.isSubmitted = true;
      if (look.status.state === 'FAILED') throw failedError(look.status);
      if (look.status.state === 'SUCCESS') return this.hold(look.status);
    }
    this.lookAfter(this.pollDelayMs);
    this.pollDelayMs = Math.min(maxPollIntervalMs, this.pollDelayMs * 2);
  }

  private hold({ result }: StatementStatus): void {
    const { context, query } = this.options;
    const { queryId } = this;
    const { pages = [], numTotalRows: rows } = result ?? {};
    if (pages.length === 0 && rows === undefined) throw unlistedError(queryId);
    this.pending = pages
      .filter(({ numRows }) => numRows !== 0)
      .map(({ id, numRows }): StatementSplit => ({
        splitId: `page-${id}`,
        query,
        queryId,
        page: id,
        rows: numRows ?? null,
        position: 0,
      }));
    this.found = foundMore({ splits: 0, rows: 0 }, this.pending.map(rowsOf));
    context.logger.info('Druid statement has its result', { queryId, pages: pages.length, rows });
    this.serve();
  }

  private toleratedFailure(error: unknown): void {
    const { queryId } = this;
    const cause = error instanceof Error ? error.message : String(error);
    const isRefused = endOf(error) === 'refused';
    if (isRefused || ++this.failedLooks >= maxFailedLooks) {
      throw new DruidSourceReadError(
        isRefused
          ? `Druid refuses the statement '${queryId}': ${cause}`
          : `The statement '${queryId}' could not be ${this.isSubmitted ? 'looked after' : 'submitted'}: ${cause}`,
        { details: { queryId }, cause: error, retryable: !isRefused },
      );
    }
    this.options.context.logger.warn('Druid statement not seen, trying again', { queryId, cause });
  }
}

const rowsOf = ({ rows, position }: StatementSplit): number => (rows ?? position) - position;

function failedError({ queryId, errorDetails }: StatementStatus): DruidSourceReadError {
  const said = errorDetails?.['errorMessage'];
  const code = errorDetails?.['errorCode'];
  return new DruidSourceReadError(
    `The statement '${queryId}' failed in Druid, or was cancelled there: ` +
      `${typeof said === 'string' ? said : 'it does not say why'}. Its report is that of the task of the same id. ` +
      `To run it again, start without this checkpoint.`,
    { details: { queryId, code: typeof code === 'string' ? code : undefined }, retryable: false },
  );
}

/** Of an empty result Druid says that it has no rows. It says nothing where counters are missing in the task's report. */
function unlistedError(queryId: string): DruidSourceReadError {
  return new DruidSourceReadError(
    `The statement '${queryId}' has its result, but Druid does not say which pages it has: its task's report is incomplete. ` +
      `To run the statement again, start without this checkpoint.`,
    { details: { queryId }, retryable: false },
  );
}

/** For a statement that Druid took and has forgotten. */
export function goneError(queryId: string, cause?: unknown): DruidSourceReadError {
  return new DruidSourceReadError(
    `Druid no longer has the statement '${queryId}' and its result: they go when its task's record and log are removed. ` +
      `To run the statement again, start without this checkpoint.`,
    { details: { queryId }, cause, retryable: false },
  );
}
