/**
 * The supervisor that reads the sink's topic: made, brought up to date, looked at, and taken down.
 *
 * Invariants:
 * 1. Offsets are never reset, and a supervisor of another stream is never replaced.
 * 2. What is not known (no answer, no task yet) never counts as read.
 */
import {
  DruidRemoteError,
  type DruidClient,
  type KafkaSupervisorSpec,
  type SupervisorStatus,
} from '@millrace/druid-client';
import { sleep, type Logger } from '@millrace/core-stream';
import { callDruid, isRefusal, monotonicNow, type Patience } from '../druid/druid-calls.js';
import { DruidSinkConfigError } from '../errors.js';
import type { KafkaRows } from './kafka-committable.js';
import { requireSameStream } from './supervisor-spec.js';

/** By partition the offset of the next record that some task of Druid's will read. */
export type ReadOffsets = ReadonlyMap<string, number>;

/** Three times its `period` unless told. */
const LOOKS_AT_TASKS_WITHIN_MS = 15_000;

export class Supervisor {
  readonly #druid: DruidClient;
  readonly #patience: Patience;
  readonly #replicas: number;
  readonly id: string;

  /** @param replicas how many tasks read each row */
  constructor(druid: DruidClient, dataSource: string, patience: Patience, replicas = 1) {
    this.#replicas = replicas;
    this.#druid = druid;
    this.id = dataSource;
    this.#patience = patience;
  }

  /**
   * Creates the supervisor, or updates the one that is there where its specification differs.
   * @throws DruidSinkConfigError, DruidSinkConnectionError
   */
  async ensure(spec: KafkaSupervisorSpec, logger: Logger): Promise<void> {
    const { signal } = this.#patience;
    await callDruid(this.#patience, 'the request for its supervisor', async () => {
      const found = await this.#druid.supervisors.get(this.id, { signal });
      if (found === undefined) await this.#warnOfOtherStream(spec, logger);
      else requireSameStream(found, spec); // invariant 1
      try {
        // The same specification again changes nothing: Druid compares.
        await this.#druid.supervisors.submit(spec, { skipRestartIfUnmodified: true, signal });
      } catch (cause) {
        throw refusedSpec(this.id, cause) ?? cause;
      }
      logger.info(found === undefined ? 'The supervisor is created' : 'The supervisor is there', {
        supervisor: this.id,
        topic: spec.spec.ioConfig.topic ?? '',
      });
    });
  }

  /** Offsets outlive a supervisor. Whether somebody has reset them since cannot be asked for, so that this is no error. */
  async #warnOfOtherStream(spec: KafkaSupervisorSpec, logger: Logger): Promise<void> {
    const history = await this.#druid.supervisors.history(this.id, { signal: this.#patience.signal });
    // A termination is an entry too, without what a reader has.
    const [last] = (history ?? [])
      .filter((each) => recordOf(each.spec)['spec'] !== undefined)
      .sort((a, b) => (a.version < b.version ? 1 : -1));
    const found = recordOf(recordOf(recordOf(last?.spec)['spec'])['ioConfig'])['topic'];
    const { topic = '' } = spec.spec.ioConfig;
    if (last === undefined || found === topic) return;
    logger.warn(
      'A supervisor of this datasource that was terminated has read another stream. Unless its offsets were reset, Druid ' +
        'refuses to publish what is read from this one, and reads it again and again',
      { supervisor: this.id, topic, found: typeof found === 'string' ? found : 'no topic' },
    );
  }

  /** One attempt; `undefined`: it was terminated. */
  status(signal = this.#patience.signal): Promise<SupervisorStatus | undefined> {
    return this.#druid.supervisors.status(this.id, { signal });
  }

  /**
   * Rows with one of these commit ids that Druid could not parse, as far as its running tasks remember. What copies of a task
   * tell alike counts once, since each of them has read the row; rows of which Druid has left out a value are no such rows.
   */
  async rejectedRows(commitIds: readonly string[]): Promise<RejectedByDruid[]> {
    const { signal } = this.#patience;
    const errors = await callDruid(this.#patience, 'the parse errors of its supervisor', () =>
      this.#druid.supervisors.parseErrors(this.id, { signal }),
    );
    const told = new Map<string, number>();
    return (errors ?? []).flatMap(({ input, details, errorType }) => {
      if (errorType === 'processedWithError') return [];
      const times = told.get(input ?? '') ?? 0;
      told.set(input ?? '', times + 1);
      if (times % this.#replicas !== 0) return [];
      const commitId = commitIds.find((id) => input?.includes(id) === true);
      if (commitId === undefined) return [];
      const reason = details?.join('; ') ?? 'no reason given';
      return [{ dataSource: this.id, commitId, text: input ?? '', reason }];
    });
  }

  /** Its tasks publish what they have read. The job may be over: nothing aborts this but time. */
  async takeDown(how: 'suspend' | 'terminate'): Promise<void> {
    await this.#untilTasksAreKnown();
    if (how === 'terminate') {
      await this.#druid.supervisors.terminate(this.id);
      return;
    }
    const status = await this.#druid.supervisors.status(this.id);
    if (status?.suspended === false) await this.#druid.supervisors.suspend(this.id);
  }

  /** A task that began a moment ago, and that it has not looked at, it would leave alone until its duration is over. */
  async #untilTasksAreKnown(): Promise<void> {
    const { clock } = this.#patience;
    const startedMs = monotonicNow(clock);
    do {
      const running = await this.#druid.tasks.list({
        state: 'running',
        datasource: this.id,
        type: 'index_kafka',
      });
      const known = tasksOf(await this.#druid.supervisors.status(this.id)).map(({ id }) => id);
      if (running.every(({ id }) => known.includes(id))) return;
      await sleep(clock, 250);
    } while (monotonicNow(clock) - startedMs < LOOKS_AT_TASKS_WITHIN_MS);
  }
}

/** A row that Druid could not parse. */
export interface RejectedByDruid {
  readonly dataSource: string;
  readonly commitId: string;
  readonly text: string;
  readonly reason: string;
}

/** Whether the row is one of `rows`. */
export function isOf(rejected: RejectedByDruid, rows: KafkaRows): boolean {
  return rejected.dataSource === rows.dataSource && rejected.commitId === rows.commitId;
}

/** How far Druid has read, by a supervisor's status. */
export function readOffsets(status: SupervisorStatus | undefined): ReadOffsets {
  const offsets = new Map<string, number>();
  const latest = recordOf(status?.['latestOffsets']);
  for (const task of tasksOf(status)) {
    // Where a task begins, others have read before it.
    for (const name of ['startingOffsets', 'currentOffsets']) {
      for (const [partition, offset] of Object.entries(recordOf(task[name]))) {
        if (typeof offset !== 'number') continue;
        // Past its end: an offset of a topic that was deleted since (invariant 2), unless the end is the older news.
        const end = latest[partition];
        if (typeof end === 'number' && offset > end) continue;
        offsets.set(partition, Math.max(offset, offsets.get(partition) ?? 0));
      }
    }
  }
  return offsets;
}

/** The tasks that it knows of. */
function tasksOf(status: SupervisorStatus | undefined): Readonly<Record<string, unknown>>[] {
  return [status?.['activeTasks'], status?.['publishingTasks']].flatMap((list) =>
    Array.isArray(list) ? list.map(recordOf) : [],
  );
}

/** Whether every partition is read up to its end. */
export function isRead(read: ReadOffsets, ends: Readonly<Record<string, number>>): boolean {
  return Object.entries(ends).every(([partition, end]) => (read.get(partition) ?? -1) >= end); // invariant 2
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function refusedSpec(id: string, cause: unknown): DruidSinkConfigError | undefined {
  if (!isRefusal(cause) || cause.details.status === 401 || cause.details.status === 403) return undefined;
  const isUnknownType = DruidRemoteError.is(cause) && cause.message.includes("type id 'kafka'");
  return new DruidSinkConfigError(
    `Druid refused the supervisor '${id}': ${cause.message} ` +
      (isUnknownType
        ? "Load the extension 'druid-kafka-indexing-service' on every server."
        : "Correct the schema, or what it names of option 'supervisor'."),
    { details: { supervisor: id }, cause },
  );
}
