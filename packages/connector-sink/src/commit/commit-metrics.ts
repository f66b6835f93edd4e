import type { Counter, Histogram, MetricGroup } from '@millrace/core-stream';
import type { CommitTimings } from './commit-event.js';

/** What gauges read: files that are being committed, and bytes and tasks of them. */
export interface PendingCommits {
  readonly files: number;
  readonly bytes: number;
  readonly tasks: number;
}

/** The metrics of a committer, registered once when it is made. */
export class CommitMetrics {
  readonly files: Counter;
  readonly rows: Counter;
  readonly tasks: Counter;
  readonly failedTasks: Counter;
  readonly outages: Counter;
  readonly rejectedRows: Counter;
  readonly #submitted: Histogram;
  readonly #published: Histogram;
  readonly #queryable: Histogram;

  constructor(metrics: MetricGroup, pending: () => PendingCommits) {
    const counter = (name: string, description: string) => metrics.counter(name, { description });
    const histogram = (name: string, description: string) => metrics.histogram(name, { description });
    this.files = counter('committedFiles', 'Spool files whose rows are in Druid.');
    this.rows = counter('committedRows', 'Rows of them.');
    this.tasks = counter('submittedTasks', 'Ingestion tasks submitted, those included that failed later.');
    this.failedTasks = counter('failedTasks', 'Ingestion tasks that have ended as FAILED.');
    this.outages = counter('druidOutages', 'Calls that Druid did not answer at first.');
    this.rejectedRows = counter('rejectedRows', 'Rows that Druid could not read.');
    this.#submitted = histogram('submittedMs', 'From the durable checkpoint until Druid had the task.');
    this.#published = histogram('publishedMs', 'From then until the task had published its rows.');
    this.#queryable = histogram('queryableMs', 'From then until queries found them.');
    const gauge = (name: keyof PendingCommits, description: string) =>
      metrics.gauge(`pending${name[0]!.toUpperCase()}${name.slice(1)}`, () => pending()[name], {
        description,
      });
    gauge('files', 'Spool files of durable checkpoints that are not in Druid yet.');
    gauge('bytes', 'Bytes of them.');
    gauge('tasks', 'Tasks that this sink has in Druid.');
  }

  committed(rows: number, { submittedMs, taskDoneMs, queryableMs }: CommitTimings): void {
    this.files.inc();
    this.rows.inc(rows);
    this.#submitted.update(submittedMs);
    this.#published.update(taskDoneMs - submittedMs);
    if (queryableMs !== undefined) this.#queryable.update(queryableMs - taskDoneMs);
  }
}
