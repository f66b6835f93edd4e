/**
 * Waits until Druid has the rows of committed transactions.
 *
 * Invariants:
 * 1. Rows count as there when the Broker has counted as many with their commit id as were written, or when those that are
 *    missing are known to be rejected. More than were written is an error: something has made Druid read them twice.
 * 2. No wait is without end: `queryableTimeoutMs`, or less where a transaction behind it grows so old that brokers may abort
 *    it. Then the job fails, and its next run commits everything before it waits.
 */
import type { DruidClient } from '@millrace/druid-client';
import { sleep } from '@millrace/core-stream';
import { callDruid, monotonicNow, type Patience } from '../druid/druid-calls.js';
import { DruidSinkCheckpointError, DruidSinkTimeoutError } from '../errors.js';
import type { KafkaRowsCommittable } from './kafka-committable.js';
import { isRead, readOffsets, type RejectedByDruid, type Supervisor } from './supervisor.js';

/** Rows that are rejected are looked for when others have not come for so long, and then as often. */
const REJECTED_LOOK_MS = 2_000;

export interface RowArrivalsOptions extends Patience {
  readonly druid: DruidClient;
  readonly supervisor: Supervisor;
  readonly pollIntervalMs: number;
  readonly queryableTimeoutMs: number;
  /** When the oldest transaction began that is not committed, epoch milliseconds; `Infinity` where there is none. */
  readonly oldestBegunMs: () => number;
  readonly transactionTimeoutMs: number;
}

/** Of `transactionTimeoutMs`; the rest is for the job to start again. */
const MAX_TRANSACTION_AGE = 0.75;

export class RowArrivals {
  readonly #options: RowArrivalsOptions;

  constructor(options: RowArrivalsOptions) {
    this.#options = options;
  }

  /**
   * Waits until tasks have read the transactions to their end.
   * @throws DruidSinkTimeoutError, DruidSinkConnectionError
   */
  async untilRead(committables: readonly KafkaRowsCommittable[]): Promise<void> {
    const { supervisor } = this.#options;
    await this.#poll('read by its tasks', committables, async () => {
      const read = readOffsets(
        await callDruid(this.#options, 'the status of its supervisor', () => supervisor.status()),
      );
      return committables.every(({ transport }) => isRead(read, transport.endOffsets))
        ? { isDone: true, seen: '' }
        : { isDone: false, seen: `its tasks are at ${JSON.stringify(Object.fromEntries(read))}` };
    });
  }

  /**
   * Waits until the Broker answers with all rows, but those that Druid has rejected, which it returns.
   * @throws DruidSinkCheckpointError, DruidSinkTimeoutError, DruidSinkConnectionError
   */
  async untilCounted(committables: readonly KafkaRowsCommittable[]): Promise<readonly RejectedByDruid[]> {
    const { clock, supervisor } = this.#options;
    const ids = committables.flatMap(({ commitId }) => (commitId === null ? [] : [commitId]));
    let rejected: RejectedByDruid[] = [];
    let lookedMs = monotonicNow(clock);
    await this.#poll('queryable', committables, async () => {
      const found = await this.#count(committables);
      const missing = committables.filter(({ commitId, rows }) => (found.get(commitId ?? '') ?? 0) !== rows);
      if (missing.length === 0) return { isDone: true, seen: '' };
      for (const each of missing) requireNoMore(each, found.get(each.commitId ?? '') ?? 0); // invariant 1
      if (monotonicNow(clock) - lookedMs >= REJECTED_LOOK_MS) {
        lookedMs = monotonicNow(clock);
        rejected = await supervisor.rejectedRows(ids);
      }
      const isDone = missing.every(({ commitId, rows }) => {
        const refused = rejected.filter((each) => each.commitId === commitId).length;
        return refused > 0 && (found.get(commitId ?? '') ?? 0) + refused === rows; // invariant 1
      });
      const sum = committables.reduce((total, { commitId }) => total + (found.get(commitId ?? '') ?? 0), 0);
      return { isDone, seen: `the Broker counts ${sum}, ${rejected.length} were rejected` };
    });
    return rejected;
  }

  async #poll(
    what: string,
    committables: readonly KafkaRowsCommittable[],
    look: () => Promise<{ readonly isDone: boolean; readonly seen: string }>,
  ): Promise<void> {
    const { clock, signal, pollIntervalMs, queryableTimeoutMs } = this.#options;
    const { oldestBegunMs, transactionTimeoutMs } = this.#options;
    const startedMs = monotonicNow(clock);
    for (;;) {
      const { isDone, seen } = await look();
      if (isDone) return;
      const waitedMs = monotonicNow(clock) - startedMs;
      const isPressed = clock.now() - oldestBegunMs() >= transactionTimeoutMs * MAX_TRANSACTION_AGE;
      // Invariant 2.
      if (isPressed || waitedMs >= queryableTimeoutMs) {
        const why = isPressed ? ', and a transaction that waits behind them would soon be aborted' : '';
        throw await this.#tooLate(what, committables, seen + why, waitedMs);
      }
      await sleep(clock, pollIntervalMs, signal);
    }
  }

  /** By commit id. Native: SQL learns of new tables and columns later than the Broker learns of segments. */
  async #count(committables: readonly KafkaRowsCommittable[]): Promise<Map<string, number>> {
    const { druid, signal } = this.#options;
    const found = new Map<string, number>();
    for (const group of groupsOf(committables)) {
      const { dataSource, commitIdColumn, countMetric } = group[0]!;
      if (commitIdColumn === null) continue;
      const rows = await callDruid(this.#options, 'a row count', () =>
        druid.native.groupBy(
          {
            dataSource,
            intervals: [...new Set(group.map(({ interval }) => interval))],
            granularity: 'all',
            dimensions: [commitIdColumn],
            filter: { type: 'in', dimension: commitIdColumn, values: group.map(({ commitId }) => commitId) },
            aggregations: [
              countMetric === null
                ? { type: 'count', name: 'rows' }
                : { type: 'longSum', name: 'rows', fieldName: countMetric },
            ],
            context: { useCache: false, populateCache: false },
          },
          { signal },
        ),
      );
      for (const { event } of rows) {
        const { [commitIdColumn]: id, rows: count } = event as Readonly<Record<string, unknown>>;
        found.set(String(id), Number(count));
      }
    }
    return found;
  }

  async #tooLate(
    what: string,
    committables: readonly KafkaRowsCommittable[],
    seen: string,
    waitedMs: number,
  ): Promise<DruidSinkTimeoutError> {
    const { supervisor } = this.#options;
    const rows = committables.reduce((sum, each) => sum + each.rows, 0);
    const status = await supervisor.status().catch(() => undefined);
    const state = status === undefined ? 'gone, or does not answer' : status.detailedState;
    return new DruidSinkTimeoutError(
      `${rows} rows are committed to the topic of supervisor '${supervisor.id}', but not ${what} after ${waitedMs} ms: ${seen}. ` +
        `The supervisor is ${state}, ${status?.aggregateLag ?? 'an unknown number of'} records behind. See its tasks and free ` +
        'slots in Druid. The rows are safe in the topic; the job continues from its last checkpoint. Where they have been removed ' +
        "from Druid since, by retention or by hand, start once with waitUntil: 'submitted'.",
      { details: { supervisor: supervisor.id, state, rows, waitedMs }, retryable: true },
    );
  }
}

/** Restored requests may be of another datasource than the options say by now. */
function groupsOf(committables: readonly KafkaRowsCommittable[]): KafkaRowsCommittable[][] {
  const groups = new Map<string, KafkaRowsCommittable[]>();
  for (const each of committables) {
    const key = JSON.stringify([each.dataSource, each.commitIdColumn, each.countMetric]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

function requireNoMore(committable: KafkaRowsCommittable, found: number): void {
  const { rows, dataSource, commitIdColumn, commitId } = committable;
  if (found <= rows) return;
  throw new DruidSinkCheckpointError(
    `'${dataSource}' holds ${found} rows with ${String(commitIdColumn)} = '${String(commitId)}', but ${rows} were written: ` +
      "Druid has read a part of the topic twice. Somebody has reset the supervisor's offsets, or copied rows. Remove the " +
      'rows that are there twice before you start again.',
    { details: { dataSource, commitId: commitId ?? undefined, rows, found } },
  );
}
