import { z } from 'zod';
import { ifItCanBeHad, readIfThere, type CallOptions } from '../management/calls.js';
import type { TaskStatus } from '../management/task-status.js';
import type { DruidTasks, TaskWaitOptions } from '../management/tasks.js';
import { parseJson, parseWith } from '../json-request.js';
import { path } from '../request.js';
import type { SqlParameter } from '../sql-parameters.js';
import { statementOf, type SqlQueryText } from '../sql-template.js';
import type { Transport } from '../transport.js';
import { msqContext, type MsqContext } from './msq-context.js';
import { msqReportSchema, type MsqReport } from './msq-report.js';
import { statementBody, submitIdentified, taskIdOf } from './submission.js';

/** Options of {@link DruidMsq.submit}. */
export interface MsqSubmitOptions extends CallOptions {
  /** The query's identity: the same id is never run twice, even after FAILED. Default: a new one. */
  readonly sqlQueryId?: string;
  readonly context?: MsqContext;
  /** Values for the `?` of a query that is text, in order. A template sql`…` brings its own. */
  readonly parameters?: readonly SqlParameter[];
}

/** A query that the Overlord has taken. */
export interface MsqSubmission {
  /** `query-<sqlQueryId>`. */
  readonly taskId: string;
  readonly sqlQueryId: string;
  /** The id was known already: from an earlier call, or from this one where an answer got lost. It may be over. */
  readonly alreadyExists: boolean;
}

/** How a query ended. */
export interface MsqOutcome {
  /** SUCCESS or FAILED. */
  readonly status: TaskStatus;
  /** Undefined only if Druid has lost it. `report.error` says why a query failed, with code, worker and stage. */
  readonly report: MsqReport | undefined;
}

/** Options of {@link DruidMsq.waitFor}. */
export interface MsqWaitOptions extends Omit<TaskWaitOptions, 'onProgress'> {
  /** Called after every look while the query runs, with its live report: one more request a look. */
  readonly onProgress?: (report: MsqReport) => unknown;
}

const submitSchema = z.looseObject({ taskId: z.string(), state: z.string() });

/** Multi-stage queries as tasks: `POST /druid/v2/sql/task` ("SQL-based ingestion API" in Druid's documentation). */
export class DruidMsq {
  private readonly transport: Transport;
  private readonly tasks: DruidTasks;

  constructor(transport: Transport, tasks: DruidTasks) {
    this.transport = transport;
    this.tasks = tasks;
  }

  /**
   * Submits an INSERT, a REPLACE or a SELECT. Safe to repeat with the same `sqlQueryId`: on any doubt (no answer, a
   * 5xx, "already exists") the Overlord is asked for the task, and the query is posted again only if there is none.
   * The same id with another text is not noticed: the first query counts. An error of the planner shows the line at
   * fault, as `sql.query` does.
   *
   * @example
   * const { taskId } = await druid.msq.submit(replaceStatement({ … }), { sqlQueryId: 'load-2026-01-01' });
   * const { status, report } = await druid.msq.waitFor(taskId);
   * if (status.statusCode === 'FAILED') throw new Error(`${report?.error?.errorCode}: ${report?.error?.errorMessage}`);
   * @throws DruidRemoteError (400 for SQL that cannot be planned; 404 or 405 where Druid runs without the MSQ extension)
   */
  async submit(query: SqlQueryText, options: MsqSubmitOptions = {}): Promise<MsqSubmission> {
    const { context, parameters, signal, timeoutMs } = options;
    const statement = statementOf(query, parameters);
    const sqlQueryId = options.sqlQueryId ?? this.transport.runtime.createId();
    const taskId = taskIdOf(sqlQueryId);
    const operation = 'MSQ submission';
    const outcome = await submitIdentified(
      this.transport,
      {
        operation,
        method: 'POST',
        path: '/druid/v2/sql/task',
        signal,
        timeoutMs,
        body: { ...statementBody(statement), context: msqContext(context, sqlQueryId) },
      },
      statement.text,
      ({ response, text }) => parseWith(submitSchema, parseJson(text, operation, response), operation),
      () => this.tasks.status(taskId, { ...(signal && { signal }) }),
    );
    return 'submitted' in outcome
      ? { taskId: outcome.submitted.taskId, sqlQueryId, alreadyExists: false }
      : { taskId, sqlQueryId, alreadyExists: true };
  }

  /** The query's report so far, or undefined while there is none (its controller is starting). */
  async report(taskId: string, options: CallOptions = {}): Promise<MsqReport | undefined> {
    const call = { operation: 'MSQ report', path: path`/druid/indexer/v1/task/${taskId}/reports` };
    return (await readIfThere(this.transport, call, msqReportSchema, options)) ?? undefined;
  }

  /**
   * Waits until the query is over, SUCCESS and FAILED alike. SUCCESS means published, not yet queryable: see
   * `datasources.waitUntilQueryable`. Aborting ends the wait, not the query: see {@link DruidMsq.cancel}.
   *
   * @throws DruidTimeoutError, DruidAbortedError, DruidRemoteError (404 for an unknown id)
   */
  async waitFor(taskId: string, options: MsqWaitOptions = {}): Promise<MsqOutcome> {
    const { onProgress, onStatus, ...limits } = options;
    const { signal } = options;
    const withSignal = signal && { signal };
    const status = await this.tasks.waitFor(taskId, {
      ...limits,
      onStatus: async (seen) => {
        await onStatus?.(seen);
        if (!onProgress || seen.statusCode !== 'RUNNING') return;
        const report = await ifItCanBeHad(this.transport, signal, () => this.report(taskId, withSignal));
        if (report) await onProgress(report);
      },
    });
    return { status, report: await this.report(taskId, withSignal) };
  }

  /** Asks the query to stop; its task ends as FAILED. False if there is no such task. */
  cancel(taskId: string, options: CallOptions = {}): Promise<boolean> {
    return this.tasks.shutdown(taskId, options);
  }
}
