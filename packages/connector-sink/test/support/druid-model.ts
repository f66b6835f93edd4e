import {
  beginCommit,
  nextCommitState,
  type CommitEvent,
  type CommitRules,
  type CommitState,
} from '../../src/commit/commit-protocol.js';

/** Decides what happens next: a number from 0 to `options - 1`, where 0 is always the harmless course. */
export type Choose = (options: number) => number;

type Task = 'running' | 'success' | 'failed';

/** Druid as the protocol meets it: it runs a task id once, loses answers, and fails before or after publishing. */
export class DruidModel {
  readonly tasks = new Map<number, Task>();
  readonly publishedBy: number[] = [];
  readonly #choose: Choose;
  readonly #hasBadRow: boolean;
  /** Attempts that leave out rows which cannot be read. */
  readonly #tolerant = new Set<number>();
  readonly #rejectedBy = new Set<number>();

  /** `hasBadRow`: the file has a row that Druid cannot read. */
  constructor(choose: Choose, hasBadRow = false) {
    this.#choose = choose;
    this.#hasBadRow = hasBadRow;
  }

  submit(attempt: number, tolerant: boolean): CommitEvent {
    if (this.tasks.has(attempt)) return { type: 'submit-unclear' };
    const before = attempt === 1 ? 'failed' : this.tasks.get(attempt - 1);
    if (before !== 'failed')
      throw new Error(`Invariant 1: attempt ${attempt} while the one before is ${String(before)}`);
    if (this.publishedBy.length > 0)
      throw new Error(`Invariant 1: attempt ${attempt} though rows are published`);
    const course = this.#choose(3);
    if (course === 2) return { type: 'submit-unclear' }; // the request was lost
    if (tolerant && this.#rejectedBy.size === 0) throw new Error('Invariant 6: rows may be left out untried');
    if (tolerant) this.#tolerant.add(attempt);
    this.tasks.set(attempt, 'running');
    return { type: course === 0 ? 'submit-accepted' : 'submit-unclear' }; // or the answer
  }

  /** Lets a task go on: 0 ends it well. */
  work(attempt: number): void {
    if (this.tasks.get(attempt) !== 'running') return;
    const course = this.#choose(4);
    if (course < 3 && this.#hasBadRow && !this.#tolerant.has(attempt)) {
      this.#rejectedBy.add(attempt);
      this.#end(attempt, 'failed', false);
      return;
    }
    if (course === 0) this.#end(attempt, 'success', true);
    if (course === 1) this.#end(attempt, 'failed', false);
    if (course === 2) this.#end(attempt, 'failed', true); // its last answer was lost: FAILED, yet published
  }

  stop(attempt: number): void {
    if (this.tasks.get(attempt) === 'running') this.#end(attempt, 'failed', this.#choose(2) === 1);
  }

  /** `reachable`: whether the asking process serves what the task reads. */
  status(attempt: number, reachable: boolean): CommitEvent {
    const task = this.tasks.get(attempt);
    // An Overlord that has just become the leader may not know a task yet.
    if (task === undefined || this.#choose(2) === 1) return { type: 'status-unknown' };
    return task === 'running' ? { type: 'status-running', reachable } : { type: `status-${task}` };
  }

  count(attempt: number, tolerant: boolean): CommitEvent {
    const published = this.publishedBy.length;
    if (published === 0) return { type: 'counted-none', rejected: this.#rejectedBy.has(attempt) };
    // What was left out is missing in the count.
    const isWhole = published === 1 && !this.#tolerant.has(this.publishedBy[0]!);
    if (isWhole || (published === 1 && tolerant)) return { type: 'counted-all' };
    return { type: 'counted-other', rejected: this.#rejectedBy.has(attempt) };
  }

  #end(attempt: number, task: Task, published: boolean): void {
    this.tasks.set(attempt, task);
    if (published) this.publishedBy.push(attempt);
  }
}

/** One process that commits the file. */
export class ClientModel {
  state: CommitState;
  readonly #druid: DruidModel;
  readonly #posted = new Set<number>();

  constructor(druid: DruidModel, rules: CommitRules, inherited: boolean) {
    this.#druid = druid;
    this.state = beginCommit(rules, { inherited });
  }

  get isOver(): boolean {
    return this.state.phase === 'committed' || this.state.phase === 'failed';
  }

  step(): void {
    this.state = nextCommitState(this.state, this.#carryOut());
  }

  #carryOut(): CommitEvent {
    const { state } = this;
    const druid = this.#druid;
    switch (state.phase) {
      case 'running':
      case 'resolving':
        druid.work(state.attempt);
        return druid.status(state.attempt, this.#posted.has(state.attempt));
      case 'submitting':
        this.#posted.add(state.attempt);
        return druid.submit(state.attempt, state.tolerant);
      case 'stopping':
        druid.stop(state.attempt);
        return { type: 'stop-asked' };
      case 'checking':
        return { type: 'report-agrees' };
      case 'appearing':
        return { type: 'rows-queryable' };
      case 'counting':
        return druid.count(state.attempt, state.tolerant);
      default:
        throw new Error(`nothing to do in phase ${state.phase}`);
    }
  }
}

/**
 * Commits one file while processes crash and overlap as `choose` says, until one process says "committed" or gives up for
 * good. Throws where an invariant breaks.
 */
export function runScenario(
  rules: CommitRules,
  choose: Choose,
  { hasBadRow = false }: { readonly hasBadRow?: boolean } = {},
): { readonly last: CommitState; readonly published: number } {
  const druid = new DruidModel(choose, hasBadRow);
  let zombie: ClientModel | undefined;
  let client = new ClientModel(druid, rules, false);
  for (let steps = 0; steps < 400; steps++) {
    if (druid.publishedBy.length > 1) throw new Error(`Published ${druid.publishedBy.length} times`);
    if (client.isOver) {
      if (client.state.phase === 'committed' && druid.publishedBy.length !== 1) {
        throw new Error(`Invariant 3: committed, but published ${druid.publishedBy.length} times`);
      }
      const isFinal =
        client.state.phase === 'committed' ||
        ('failure' in client.state && client.state.failure === 'unprovable');
      if (isFinal) return { last: client.state, published: druid.publishedBy.length };
      client = new ClientModel(druid, rules, true); // the job is restarted
    }
    const course = choose(4);
    if (course === 1) client = new ClientModel(druid, rules, true); // crash
    if (course === 2) {
      zombie = client; // a process that is thought dead goes on
      client = new ClientModel(druid, rules, true);
    }
    if (course === 3 && zombie?.isOver === false) zombie.step();
    if (course === 0) client.step();
  }
  throw new Error('The commit does not end');
}
