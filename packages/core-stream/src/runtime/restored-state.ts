import { requireOpenCommits } from '../batch/batch-checkpoint.js';
import type {
  CheckpointData,
  JobLineage,
  OperatorCheckpoint,
  SegmentRef,
} from '../checkpoint/checkpoint-data.js';
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import { copySegments, readSavepoint, savepointStorage } from '../checkpoint/savepoint.js';
import { readRows, type RestoredRows } from '../checkpoint/segment-reader.js';
import { CheckpointError } from '../errors.js';
import type { SourceSplit } from '../connectors/source.js';
import { keyVersionOf, type ExecutionPlan, type PlanNode } from '../plan/execution-plan.js';
import { decodeState } from '../state/canonical-decoding.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import type { CheckpointConfig, JobOptions } from './job-options.js';
import { keyMigrationOf, migratedRows } from './key-migration.js';
import { planDifferences, type PlanDifference } from './plan-differences.js';
import type { SourceSubtaskState } from './source-task.js';
import type { SubtaskState } from './task.js';

/** Who the job is, and the checkpoint that it starts from, if any. */
export interface JobStart {
  readonly jobId: string;
  readonly checkpoint: CheckpointData | undefined;
  /** Where the checkpoint's segments are: the job's own storage, or a savepoint's. */
  readonly from: CheckpointStorage | undefined;
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
  if (checkpointing === undefined) {
    return { jobId: candidate.jobId, checkpoint: undefined, from: undefined };
  }
  const { storage, restore } = checkpointing;
  const lineage = await storage.claim(candidate);
  const { jobId } = lineage;
  const own = await loadCheckpoint(options, checkpointing, lineage);
  const from =
    own === undefined && typeof restore === 'object' ? savepointStorage(restore.savepoint) : storage;
  const checkpoint = from === storage ? own : { ...(await readSavepoint(from)), jobId };
  requireReached(options.reachedCheckpointId ?? 0, checkpoint?.checkpointId, storage.location);
  if (checkpoint !== undefined) {
    options.logger.info(startedFrom(from === storage, typeof restore === 'object'), {
      checkpointId: checkpoint.checkpointId,
      location: from.location,
    });
  }
  return { jobId, checkpoint, from };
}

function startedFrom(isOwn: boolean, isSavepointAskedFor: boolean): string {
  if (!isOwn) return 'the job begins with a savepoint';
  return isSavepointAskedFor
    ? 'the job goes on from its own newest checkpoint, not from the savepoint'
    : 'the job goes on from its newest checkpoint';
}

/** A restart does not go back behind what earlier attempts have committed. */
function requireReached(reached: number, found: number | undefined, location: string): void {
  if ((found ?? 0) >= reached) return;
  const newest = found === undefined ? 'no checkpoint any more' : `checkpoint ${found} as its newest`;
  throw new CheckpointError(
    `${location} has ${newest}, and the job has had checkpoint ${reached}: what it has written since would be written again. ` +
      'Put the checkpoints back, then start the job again.',
    { details: { checkpointId: reached, location } },
  );
}

async function loadCheckpoint(
  { jobName, plan, reachedCheckpointId }: JobOptions,
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
  const isFirst = reachedCheckpointId === undefined;
  if (checkpoint !== undefined && restore === 'none' && isFirst) {
    throw new CheckpointError(
      `${location} holds checkpoint ${checkpoint.checkpointId} of the job '${checkpoint.jobName}', but the job is to start afresh. ` +
        "Use another directory, remove this one, or restore from it ('latest').",
    );
  }
  if (checkpoint !== undefined && plan.isBatch) requireOpenCommits(checkpoint, location);
  return checkpoint;
}

/** A checkpoint, held against the plan that is to go on from it. */
export class RestoredState {
  readonly #operators: ReadonlyMap<string, OperatorCheckpoint>;
  readonly #enumerators: ReadonlyMap<string, Uint8Array>;
  readonly #storage: CheckpointStorage | undefined;
  /** Whether an operator of the plan has another parallelism than in the checkpoint. */
  readonly isRescaled: boolean;
  /** What the plan cannot take over. Where there is any, the operators concerned have no state here, and no operator has rows. */
  readonly differences: readonly PlanDifference[];

  constructor(
    { checkpoint, from }: Pick<JobStart, 'checkpoint' | 'from'>,
    plan: ExecutionPlan,
    allowNonRestoredState = false,
  ) {
    this.differences =
      checkpoint === undefined ? [] : planDifferences(checkpoint, plan, allowNonRestoredState);
    const different = new Set(this.differences.map(({ uid }) => uid));
    this.#storage = this.isRefused ? undefined : from;
    this.#enumerators = new Map(checkpoint?.enumerators.map(({ uid, bytes }) => [uid, bytes]));
    this.#operators = new Map(
      checkpoint?.operators.filter(({ uid }) => !different.has(uid)).map((stored) => [stored.uid, stored]),
    );
    const nodes = plan.vertices.flatMap((vertex) => vertex.nodes);
    this.isRescaled = nodes.some(
      ({ uid, parallelism }) => (this.#operators.get(uid)?.subtasks.length ?? parallelism) !== parallelism,
    );
  }

  /** The job will not start; what else is different is looked for. */
  get isRefused(): boolean {
    return this.differences.length > 0;
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

  /** As `segments`, in the job's own storage: what comes from a savepoint is copied. */
  async ownSegments(
    uid: string,
    own: CheckpointStorage | undefined,
    signal: AbortSignal,
  ): Promise<readonly SegmentRef[]> {
    const segments = this.segments(uid);
    const from = this.#storage;
    if (from === undefined || own === undefined || from === own) return segments;
    return copySegments(from, { uid, segments }, own, signal);
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
