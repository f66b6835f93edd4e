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
import type { KafkaRows } from './kafka-committable.js';
import { MAX_SAVED_PARSE_EXCEPTIONS } from './supervisor-spec.js';
import { isOf, isRead, readOffsets, type RejectedByDruid, type Supervisor } from './supervisor.js';

/** Rows that are rejected are looked for when others have not come for so long, and then as often. */
const REJECTED_LOOK_MS = 2_000;

export interface RowArrivalsOptions extends Patience {
  readonly druid: DruidClient;
  readonly supervisorOf: (dataSource: string) => Supervisor;
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
  async untilRead(written: readonly KafkaRows[]): Promise<void> {
    await this.#poll('read by its tasks', async () => {
      for (const [dataSource, rows] of bySource(written)) {
        const supervisor = this.#options.supervisorOf(dataSource);
        const read = readOffsets(
          await callDruid(this.#options, 'the status of its supervisor', () => supervisor.status()),
        );
        const missing = rows.filter(({ endOffsets }) => !isRead(read, endOffsets));
        if (missing.length > 0)
          return { missing, seen: `its tasks are at ${JSON.stringify(Object.fromEntries(read))}` };
      }
      return { missing: [], seen: '' };
    });
  }

  /**
   * Waits until the Broker answers with all rows, but those that Druid has rejected, which it returns.
   * @throws DruidSinkCheckpointError, DruidSinkTimeoutError, DruidSinkConnectionError
   */
  async untilCounted(written: readonly KafkaRows[]): Promise<readonly RejectedByDruid[]> {
    const { clock } = this.#options;
    const rejected: RejectedByDruid[] = [];
    let missing = written;
    let known = 0;
    let lookedMs = monotonicNow(clock);
    await this.#poll('queryable', async () => {
      const found = await this.#count(missing);
      missing = missing.filter((rows) => found(rows) !== rows.rows);
      for (const rows of missing) requireNoMore(rows, found(rows)); // invariant 1
      if (missing.length > 0 && monotonicNow(clock) - lookedMs >= REJECTED_LOOK_MS) {
        lookedMs = monotonicNow(clock);
        const told = await this.#rejected(missing);
        known = told.length;
        missing = missing.filter((rows) => {
          const refused = told.filter((each) => isOf(each, rows));
          if (refused.length === 0 || found(rows) + refused.length !== rows.rows) return true;
          rejected.push(...refused); // invariant 1
          return false;
        });
      }
      const sum = missing.reduce((total, rows) => total + found(rows), 0);
      const hint = known < MAX_SAVED_PARSE_EXCEPTIONS ? '' : ', as many as a task remembers';
      return { missing, seen: `the Broker counts ${sum}, ${known} were rejected${hint}` };
    });
    return rejected;
  }

  async #rejected(missing: readonly KafkaRows[]): Promise<readonly RejectedByDruid[]> {
    const looks = Array.from(bySource(missing), ([dataSource, rows]) =>
      this.#options.supervisorOf(dataSource).rejectedRows(rows.flatMap(({ commitId }) => commitId ?? [])),
    );
    return (await Promise.all(looks)).flat();
  }

  async #poll(
    what: string,
    look: () => Promise<{ readonly missing: readonly KafkaRows[]; readonly seen: string }>,
  ): Promise<void> {
    const { clock, signal, pollIntervalMs, queryableTimeoutMs } = this.#options;
    const { oldestBegunMs, transactionTimeoutMs } = this.#options;
    const startedMs = monotonicNow(clock);
    for (;;) {
      const { missing, seen } = await look();
      const [first] = missing;
      if (first === undefined) return;
      const waitedMs = monotonicNow(clock) - startedMs;
      const isPressed = clock.now() - oldestBegunMs() >= transactionTimeoutMs * MAX_TRANSACTION_AGE;
      // Invariant 2.
      if (isPressed || waitedMs >= queryableTimeoutMs) {
        const why = isPressed ? ', and a transaction that waits behind them would soon be aborted' : '';
        const late = missing.filter(({ dataSource }) => dataSource === first.dataSource);
        throw await this.#tooLate(what, first.dataSource, late, seen + why, waitedMs);
      }
      await sleep(clock, pollIntervalMs, signal);
    }
  }

  /** Native: SQL learns of new tables and columns later than the Broker learns of segments. */
  async #count(written: readonly KafkaRows[]): Promise<(rows: KafkaRows) => number> {
    const { druid, signal } = this.#options;
    const counts = new Map<string, number>();
    const count = async (group: readonly KafkaRows[]): Promise<void> => {
      const { dataSource, commitIdColumn, countMetric } = group[0]!;
      if (commitIdColumn === null) return;
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
        const { [commitIdColumn]: id, rows: number } = event as Readonly<Record<string, unknown>>;
        counts.set(`${dataSource} ${String(id)}`, Number(number));
      }
    };
    await Promise.all(groupsOf(written).map(count));
    return ({ dataSource, commitId }) => counts.get(`${dataSource} ${commitId}`) ?? 0;
  }

  async #tooLate(
    what: string,
    dataSource: string,
    missing: readonly KafkaRows[],
    seen: string,
    waitedMs: number,
  ): Promise<DruidSinkTimeoutError> {
    const supervisor = this.#options.supervisorOf(dataSource);
    const rows = missing.reduce((sum, each) => sum + each.rows, 0);
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

function bySource(written: readonly KafkaRows[]): ReadonlyMap<string, readonly KafkaRows[]> {
  return grouped(written, ({ dataSource }) => dataSource);
}

/** What one query can count. Restored rows may have other columns than the options say by now. */
function groupsOf(written: readonly KafkaRows[]): (readonly KafkaRows[])[] {
  const columns = (each: KafkaRows) =>
    JSON.stringify([each.dataSource, each.commitIdColumn, each.countMetric]);
  return [...grouped(written, columns).values()];
}

function grouped(written: readonly KafkaRows[], keyOf: (rows: KafkaRows) => string) {
  const groups = new Map<string, KafkaRows[]>();
  for (const rows of written) {
    const key = keyOf(rows);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [rows]);
    else group.push(rows);
  }
  return groups;
}

function requireNoMore({ rows, dataSource, commitIdColumn, commitId }: KafkaRows, found: number): void {
  if (found <= rows) return;
  throw new DruidSinkCheckpointError(
    `'${dataSource}' holds ${found} rows with ${String(commitIdColumn)} = '${String(commitId)}', but ${rows} were written: ` +
      "Druid has read a part of the topic twice. Somebody has reset the supervisor's offsets, or copied rows. Remove the " +
      'rows that are there twice before you start again.',
    { details: { dataSource, commitId: commitId ?? undefined, rows, found } },
  );
}
