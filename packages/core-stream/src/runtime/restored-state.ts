import { requireOpenCommits } from '../batch/batch-checkpoint.js';
import type {
  CheckpointData,
  JobLineage,
  OperatorCheckpoint,
  SegmentRef,
} from '../checkpoint/checkpoint-data.js';
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import { loadSavepoint } from '../checkpoint/savepoint.js';
import { readRows, type RestoredRows } from '../checkpoint/segment-reader.js';
import { CheckpointError } from '../errors.js';
import type { SourceSplit } from '../connectors/source.js';
import { keyVersionOf, type ExecutionPlan, type PlanNode } from '../plan/execution-plan.js';
import { decodeState } from '../state/canonical-decoding.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import type { CheckpointConfig, JobOptions } from './job-options.js';
import { keyMigrationOf, migratedRows } from './key-migration.js';
import { hasRecords } from './restored-in-flight.js';
import type { SourceSubtaskState } from './source-task.js';
import type { SubtaskState } from './task.js';

/** Who the job is, and the checkpoint that it starts from, if any. */
export interface JobStart {
  readonly jobId: string;
  readonly checkpoint: CheckpointData | undefined;
}

/**
 * Claims the checkpoint storage for the job and reads the newest checkpoint.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where the storage belongs to another job, is damaged, or is not empty
 *   although the job is to start afresh
 */
export async function loadStart(options: JobOptions): Promise<JobStart> {
  const { checkpointing, jobName, createJobId } = options;
  const candidate = { jobName, jobId: createJobId() };
  if (checkpointing === undefined) return { jobId: candidate.jobId, checkpoint: undefined };
  const { storage } = checkpointing;
  const lineage = await storage.claim(candidate);
  return { jobId: lineage.jobId, checkpoint: await loadCheckpoint(options, checkpointing, lineage) };
}

async function loadCheckpoint(
  { jobName, plan, logger }: JobOptions,
  { storage, restore }: CheckpointConfig,
  lineage: JobLineage,
): Promise<CheckpointData | undefined> {
  const { location } = storage;
  if (lineage.jobName !== jobName) {
    throw new CheckpointError(
      `${location} belongs to the job '${lineage.jobName}', not to '${jobName}'. Give each job a checkpoint directory of its own.`,
    );
  }
  const checkpoint = await storage.latest();
  if (checkpoint !== undefined && restore === 'none') {
    throw new CheckpointError(
      `${location} holds checkpoint ${checkpoint.checkpointId} of the job '${checkpoint.jobName}', but the job is to start afresh. ` +
        "Use another directory, remove this one, or restore from it ('latest').",
    );
  }
  if (checkpoint !== undefined && plan.isBatch) requireOpenCommits(checkpoint, location);
  if (typeof restore !== 'object') return checkpoint;
  if (checkpoint === undefined) return loadSavepoint(restore.savepoint, storage, lineage.jobId);
  logger.info('the job goes on from its own newest checkpoint, not from the savepoint', {
    checkpointId: checkpoint.checkpointId,
  });
  return checkpoint;
}

/** A checkpoint, held against the plan that is to go on from it. */
export class RestoredState {
  readonly #operators: ReadonlyMap<string, OperatorCheckpoint>;
  readonly #enumerators: ReadonlyMap<string, Uint8Array>;
  readonly #storage: CheckpointStorage | undefined;
  /** Whether an operator of the plan has another parallelism than in the checkpoint. */
  readonly isRescaled: boolean;

  /**
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where the checkpoint has open commits for a sink that the plan has not, or
   *   state for an operator that it has not, unless that is allowed; an operator without state may go
   */
  constructor(
    checkpoint: CheckpointData | undefined,
    plan: ExecutionPlan,
    { storage, allowNonRestoredState = false }: Partial<CheckpointConfig> = {},
  ) {
    this.#storage = storage;
    this.#enumerators = new Map(checkpoint?.enumerators.map(({ uid, bytes }) => [uid, bytes]));
    this.#operators = new Map(checkpoint?.operators.map((operator) => [operator.uid, operator]));
    const nodes = plan.vertices.flatMap((vertex) => vertex.nodes);
    this.isRescaled = nodes.some(
      ({ uid, parallelism }) => (this.#operators.get(uid)?.subtasks.length ?? parallelism) !== parallelism,
    );
    if (checkpoint === undefined) return;
    const known = new Set(nodes.map((node) => node.uid));
    const withState = checkpoint.operators.filter(hasState).map(({ uid }) => uid);
    const pending = checkpoint.pendingCommits.map(({ uid }) => uid);
    const lost = [...pending, ...(allowNonRestoredState ? [] : withState)].find((uid) => !known.has(uid));
    if (lost === undefined) return;
    throw new CheckpointError(
      `Checkpoint ${checkpoint.checkpointId} holds ${pending.includes(lost) ? 'open commits' : 'state'} of an operator with uid '${lost}', which the program does not have. ` +
        (pending.includes(lost)
          ? 'Start the program with its sink once more, so that they are committed.'
          : "Give operators a uid (.uid(…)) before changing a program; to leave the state behind, set 'allowNonRestoredState'."),
      { details: { uid: lost } },
    );
  }

  operatorStates(uid: string): readonly Uint8Array[] | undefined {
    return this.#operators.get(uid)?.subtasks;
  }

  /** The states of a sink's writers, of all subtasks. */
  writerStates(uid: string): readonly unknown[] {
    const subtasks = this.operatorStates(uid) ?? [];
    return subtasks.flatMap(
      (bytes) => ((decodeState(bytes) as SubtaskState).state as readonly unknown[] | undefined) ?? [],
    );
  }

  /** The rows of an operator's key groups, of the tables that are wanted; `undefined` where the checkpoint has none. */
  async rows(
    node: PlanNode,
    keyGroups: KeyGroupRange,
    isWanted?: (table: string) => boolean,
  ): Promise<RestoredRows | undefined> {
    const stored = this.#operators.get(node.uid);
    if (this.#storage === undefined || stored === undefined || stored.segments.length === 0) return undefined;
    const migrate = keyMigrationOf(node, stored.keyVersion);
    if (migrate === undefined) return readRows(this.#storage, stored.segments, keyGroups, isWanted);
    const ofAll = { start: 0, end: stored.maxParallelism };
    const all = await readRows(this.#storage, stored.segments, ofAll, isWanted);
    return migratedRows(all, migrate, node, keyGroups);
  }

  /** Whether the operator's keys have become others: then its rows are stored anew. */
  hasOtherKeys(node: PlanNode): boolean {
    const stored = this.#operators.get(node.uid);
    return stored !== undefined && stored.keyVersion !== keyVersionOf(node);
  }

  /** Where the operator's rows are, oldest first. */
  segments(uid: string): readonly SegmentRef[] {
    return this.#operators.get(uid)?.segments ?? [];
  }

  enumeratorState(uid: string): { readonly state: unknown } | undefined {
    const bytes = this.#enumerators.get(uid);
    return bytes === undefined ? undefined : { state: decodeState(bytes) };
  }

  /** The splits that go back to the enumerator, because there are not as many readers as before. */
  returnedSplits(uid: string, readers: number): readonly SourceSplit[] {
    const states = this.operatorStates(uid) ?? [];
    if (states.length === 0 || states.length === readers) return [];
    return states.flatMap(
      (bytes) => ((decodeState(bytes) as SubtaskState).state as SourceSubtaskState).splits,
    );
  }
}

function hasState({ subtasks, segments }: OperatorCheckpoint): boolean {
  if (segments.length > 0) return true;
  return subtasks.some((bytes) => {
    const { state, inFlight = [] } = decodeState(bytes) as SubtaskState;
    return state !== undefined || inFlight.some(hasRecords);
  });
}
