import {
  beginRevision,
  nextReplaceState,
  type ReplaceEvent,
  type ReplaceRules,
  type ReplaceState,
} from '../../src/replace/replace-protocol.js';

/** Decides what happens next: a number from 0 to `options - 1`, where 0 is always the harmless course. */
export type Choose = (options: number) => number;

interface Task {
  readonly revision: number;
  /** When it got the chunk's lock: what it publishes hides what has an older one. */
  lock: number | undefined;
  status: 'running' | 'success' | 'failed';
  isWhole: boolean;
}

/** Druid as the protocol meets it, with one chunk: it runs a task id once, one task at a time, and loses answers. */
export class ChunkModel {
  readonly tasks = new Map<string, Task>();
  visible: { readonly revision: number; readonly lock: number; readonly isWhole: boolean } | undefined;
  readonly #late: Task[] = [];
  readonly #choose: Choose;
  #locks = 0;

  constructor(choose: Choose) {
    this.#choose = choose;
  }

  submit(revision: number, attempt: number): ReplaceEvent {
    const id = `${revision}-${attempt}`;
    if (this.tasks.has(id)) return { type: 'submit-unclear' };
    const before = this.tasks.get(`${revision}-${attempt - 1}`);
    const hasEnded = before !== undefined && (before.status === 'failed' || !before.isWhole);
    if (attempt > 1 && !hasEnded) throw new Error(`Invariant 1: attempt ${id} too early`);
    const course = this.#choose(3);
    if (course === 2) return { type: 'submit-unclear' }; // the request was lost
    this.tasks.set(id, { revision, lock: undefined, status: 'running', isWhole: true });
    return { type: course === 0 ? 'submit-accepted' : 'submit-unclear' }; // or the answer
  }

  /** Lets the task that has the lock go on: 0 ends it well. */
  work(): void {
    const waiting = [...this.tasks.values()].filter(({ status }) => status === 'running');
    const task = waiting.find(({ lock }) => lock !== undefined) ?? waiting[0];
    const late = this.#choose(3) === 1 ? this.#late.pop() : undefined;
    if (late !== undefined) this.#publish(late);
    if (task === undefined) return;
    task.lock ??= ++this.#locks;
    const course = this.#choose(6);
    if (course === 5) return;
    task.status = course === 0 || course === 1 ? 'success' : 'failed';
    task.isWhole = course !== 1; // its input broke off between two rows
    if (course === 0 || course === 1 || course === 3) this.#publish(task); // 3: its last answer was lost
    if (course === 4) this.#late.push(task); // it publishes after it shows as FAILED
  }

  stop(revision: number, attempt: number): void {
    const task = this.tasks.get(`${revision}-${attempt}`);
    if (task?.status !== 'running') return;
    task.status = 'failed';
    if (task.lock !== undefined && this.#choose(2) === 1) this.#late.push(task);
  }

  status(revision: number, attempt: number, reachable: boolean): ReplaceEvent {
    const task = this.tasks.get(`${revision}-${attempt}`);
    // An Overlord that has just become the leader may not know a task yet.
    if (task === undefined || this.#choose(2) === 1) return { type: 'status-unknown' };
    return task.status === 'running'
      ? { type: 'status-running', reachable }
      : { type: `status-${task.status}` };
  }

  report(revision: number, attempt: number): ReplaceEvent {
    const { isWhole } = this.tasks.get(`${revision}-${attempt}`)!;
    return { type: isWhole ? 'report-agrees' : 'report-differs' };
  }

  /** What was published before FAILED was told, and what comes after, by whoever was stopped. */
  settle(): void {
    for (const task of this.#late.splice(0)) this.#publish(task);
  }

  #publish({ revision, lock = 0, isWhole }: Task): void {
    if (lock > (this.visible?.lock ?? 0)) this.visible = { revision, lock, isWhole };
  }
}

/** One process that commits revisions 1 and 2, from the first that is not confirmed on. */
export class CommitterModel {
  readonly #druid: ChunkModel;
  readonly #rules: ReplaceRules;
  readonly #posted = new Set<string>();
  revision: number;
  state: ReplaceState;

  constructor(druid: ChunkModel, rules: ReplaceRules, revision: number, inherited: boolean) {
    this.#druid = druid;
    this.#rules = rules;
    this.revision = revision;
    this.state = beginRevision(rules, { inherited });
  }

  get isOver(): boolean {
    return this.state.phase === 'failed' || (this.state.phase === 'committed' && this.revision === 2);
  }

  step(): void {
    if (this.isOver) return;
    if (this.state.phase === 'committed') {
      this.revision = 2;
      this.state = beginRevision(this.#rules, { inherited: false });
    } else this.state = nextReplaceState(this.state, this.#carryOut());
  }

  #carryOut(): ReplaceEvent {
    const { state, revision } = this;
    const druid = this.#druid;
    const id = state.phase === 'committed' ? '' : `${revision}-${state.attempt}`;
    switch (state.phase) {
      case 'running':
      case 'resolving':
        druid.work();
        return druid.status(revision, state.attempt, this.#posted.has(id));
      case 'submitting':
        this.#posted.add(id);
        return druid.submit(revision, state.attempt);
      case 'stopping':
        druid.stop(revision, state.attempt);
        return { type: 'stop-asked' };
      case 'checking':
        return druid.report(revision, state.attempt);
      case 'appearing':
        return { type: 'rows-agree' };
      default:
        throw new Error(`nothing to do in phase ${state.phase}`);
    }
  }
}

/**
 * Commits two revisions of a chunk while processes crash and overlap as `choose` says, until one process has committed both.
 * Throws where an invariant breaks; returns what is visible once everybody has come to rest.
 */
export function runScenario(rules: ReplaceRules, choose: Choose) {
  const druid = new ChunkModel(choose);
  let confirmed = 0;
  let zombie: CommitterModel | undefined;
  let client = new CommitterModel(druid, rules, 1, false);
  const restart = () => new CommitterModel(druid, rules, confirmed + 1, true);
  for (let steps = 0; steps < 600; steps++) {
    if (client.state.phase === 'committed') {
      if (druid.visible?.revision !== client.revision || !druid.visible.isWhole)
        throw new Error(
          `Invariant 3: revision ${client.revision} committed, ${JSON.stringify(druid.visible)} visible`,
        );
      confirmed = client.revision;
    }
    if (confirmed === 2) break;
    if (client.isOver) client = restart();
    const course = choose(4);
    if (course === 1) client = restart(); // crash
    if (course === 2) {
      zombie = client; // a process that is thought dead goes on
      client = restart();
    }
    if (course === 3) zombie?.step();
    if (course === 0) client.step();
  }
  if (confirmed !== 2) throw new Error('The commit does not end');
  for (let steps = 0; steps < 100; steps++) zombie?.step();
  druid.settle();
  return druid.visible;
}
