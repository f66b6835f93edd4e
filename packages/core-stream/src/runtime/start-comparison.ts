/**
 * Holds what a program asks for against what it is to go on from, before its first record.
 *
 * Role: collects all differences, and tells them at once. Boundary: who finds a difference words it; that nothing is changed
 * meanwhile is up to `SubtaskStates`, and to the job.
 *
 * Invariants
 * 1. A job with a difference does not start; it is told all of them.
 */
import type { CheckpointData, StateSchemaInfo, StoredStateKind } from '../checkpoint/checkpoint-data.js';
import { CheckpointError, OperatorError, type StreamError } from '../errors.js';
import { keyVersionOf, type PlanNode } from '../plan/execution-plan.js';
import type { StateComparison } from '../state/subtask-states.js';
import type { Logger } from './logger.js';
import { operatorError } from './operator-error.js';
import type { PlanDifference } from './plan-differences.js';
import type { Task } from './task.js';

interface ComparedOperator {
  readonly node: PlanNode;
  /** By name. */
  readonly asked: Map<string, StateSchemaInfo>;
}

export interface ComparedStart {
  readonly checkpoint: CheckpointData | undefined;
  /** Where the checkpoint is. */
  readonly location: string;
  readonly differences: readonly PlanDifference[];
  readonly logger: Logger;
}

export class StartComparison {
  readonly #start: ComparedStart;
  /** What is told, once each: subtasks find the same. */
  readonly #differences: Map<string, StreamError>;
  readonly #operators = new Map<string, ComparedOperator>();

  constructor(start: ComparedStart) {
    this.#start = start;
    this.#differences = new Map(start.differences.map(({ error }) => [error.message, error]));
  }

  /** What the states of an operator are compared by; `undefined` where nothing is restored. */
  of(node: PlanNode): StateComparison | undefined {
    if (this.#start.checkpoint === undefined) return undefined;
    const operator = this.#operators.get(node.uid) ?? { node, asked: new Map<string, StateSchemaInfo>() };
    this.#operators.set(node.uid, operator);
    return {
      asks: (info) => void operator.asked.set(nameOf(info), info),
      differs: (difference) => this.differs(node, difference),
    };
  }

  /** Notes an error of restoring an operator. Returns whether it is a difference, so that the others can be looked for. */
  notes(node: PlanNode, error: unknown): boolean {
    const difference = error instanceof OperatorError ? error.cause : error;
    if (this.#start.checkpoint === undefined) return false;
    if (!(difference instanceof CheckpointError) || difference.retryable) return false;
    this.differs(node, difference);
    return true;
  }

  /** Notes what an operator cannot be restored from. */
  differs({ name, uid }: PlanNode, difference: StreamError): void {
    this.#differences.set(`'${name}' (uid '${uid}'): ${difference.message}`, difference);
  }

  /**
   * Compares while `open` opens all operators.
   *
   * @throws CheckpointError with every difference, also where opening has failed besides (invariant 1)
   */
  async compare<R>(open: () => Promise<R>): Promise<R> {
    const opened = await open().catch((error: unknown) => {
      throw this.#refusal(error) ?? error;
    });
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    this.#report();
    return opened;
  }

  #refusal(cause?: unknown): CheckpointError | undefined {
    const { checkpoint, location } = this.#start;
    const { size } = this.#differences;
    if (checkpoint === undefined || size === 0) return undefined;
    const { checkpointId } = checkpoint;
    const lines = [...this.#differences.keys()].map((line) => `\n  - ${line}`).join('');
    const [only] = this.#differences.values();
    return new CheckpointError(
      `The program does not fit checkpoint ${checkpointId} in ${location} (${size} difference${size > 1 ? 's' : ''}):${lines}\n` +
        'The job was not started, and what is stored is as it was.',
      {
        cause: cause ?? (size === 1 ? only : undefined),
        details: { ...(size === 1 ? only!.details : {}), checkpointId, differences: size },
      },
    );
  }

  /** Tells what is new, what nobody has asked for, and what will be migrated. */
  #report(): void {
    const { checkpoint, logger } = this.#start;
    if (checkpoint === undefined) return;
    const stored = new Map(checkpoint.operators.map((operator) => [operator.uid, operator]));
    for (const { node, asked } of this.#operators.values()) {
      const operator = { operator: node.name, uid: node.uid };
      const known = stored.get(node.uid);
      if (known === undefined) {
        if (asked.size > 0)
          logger.info('the checkpoint has nothing of an operator: it begins afresh', operator);
        continue;
      }
      const to = keyVersionOf(node);
      if (known.segments.length > 0 && known.keyVersion !== to) {
        logger.info('keys are migrated', { ...operator, from: known.keyVersion, to });
      }
      const names = new Set(known.states.map(nameOf));
      for (const { name, kind, version } of known.states) {
        const info = asked.get(nameOf({ name, kind }));
        const state = { ...operator, state: name, kind };
        if (info === undefined) logger.info('no function has asked for a state yet: it is kept', state);
        else if (info.version !== version) {
          logger.info('state is migrated', { ...state, from: version, to: info.version });
        }
      }
      for (const [key, { name, kind }] of asked) {
        if (!names.has(key)) logger.info('state is new', { ...operator, state: name, kind });
      }
    }
  }
}

/** The job starts: what was restored is brought to the versions that the program asks for. */
export function migrateStates(tasks: readonly Pick<Task, 'chained'>[]): void {
  for (const chained of tasks.flatMap((task) => task.chained)) {
    try {
      chained.rows.states.start();
    } catch (error) {
      throw operatorError(error, chained, 'migrating its state');
    }
  }
}

/** Keyed, operator and broadcast state, windows and joins have their names apart. */
function nameOf({ name, kind }: Pick<StateSchemaInfo, 'name' | 'kind'>): string {
  return `${groupOf(kind)} ${name}`;
}

function groupOf(kind: StoredStateKind): string {
  if (kind === 'broadcast' || kind === 'window' || kind === 'join') return kind;
  return kind === 'operator-list' || kind === 'union-list' ? 'operator' : 'keyed';
}
