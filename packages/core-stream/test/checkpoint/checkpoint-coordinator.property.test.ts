/** A world that carries out what the coordinator asks for, badly, and watches that it asks for nothing wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, initialCoordinator } from '../../src/checkpoint/checkpoint-coordinator.js';
import type {
  CheckpointRequest,
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorState,
} from '../../src/checkpoint/coordinator-state.js';

const TASKS = ['a', 'b', 'c'];
const FIRST_ID = 5;

interface Settings {
  readonly maxPendingCommits: number;
  readonly hasMinPause: boolean;
  readonly tolerableFailures: number;
  readonly isRestored: boolean;
}

class World {
  readonly settings: Settings;
  #state: CoordinatorState;
  #current:
    | {
        readonly id: number;
        readonly acknowledged: Set<string>;
        step: 'aligning' | 'writing' | 'durable' | 'saving';
      }
    | undefined;
  #lastId = FIRST_ID - 1;
  readonly #durable = new Set<number>();
  readonly #committing: number[] = [];
  readonly #committed = new Set<number>();
  readonly #ended = new Set<string>();
  readonly #open = new Map<number, CheckpointRequest>();
  #requests = 0;
  #failures = 0;
  #isPausing = false;
  #areSuspended = false;
  #areDraining = false;
  /** The newest durable checkpoint was triggered after everything had ended, or suspends. */
  #hasLast = false;
  #isFinal = false;
  #isSuspending = false;
  outcome: 'finished' | 'failed' | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    const { isRestored, ...config } = settings;
    if (isRestored) this.#durable.add(FIRST_ID - 1);
    const { state, effects } = initialCoordinator({
      config: { tasks: TASKS, ...config },
      nextCheckpointId: FIRST_ID,
      uncommitted: isRestored ? [FIRST_ID - 1] : [],
    });
    this.#state = state;
    effects.forEach((effect) => this.#carryOut(effect));
  }

  get isOver(): boolean {
    return this.outcome !== undefined;
  }

  get openRequests(): number {
    return this.#open.size;
  }

  /** What may really happen now. */
  possible(): CoordinatorEvent[] {
    const events: CoordinatorEvent[] = [{ type: 'interval-elapsed' }];
    if (this.#isPausing) events.push({ type: 'pause-elapsed' });
    for (const task of TASKS) if (!this.#ended.has(task)) events.push({ type: 'task-ended', task });
    const committing = this.#committing[0];
    if (committing !== undefined) events.push({ type: 'committed', checkpointId: committing });
    const current = this.#current;
    if (current === undefined) return events;
    const checkpointId = current.id;
    const add = (
      ...types: (
        'declined' | 'timeout' | 'aligned-timeout' | 'written' | 'write-failed' | 'saved' | 'save-failed'
      )[]
    ) => events.push(...types.map((type) => ({ type, checkpointId })));
    if (current.step === 'aligning') {
      for (const task of TASKS) {
        if (!current.acknowledged.has(task)) events.push({ type: 'acknowledged', task, checkpointId });
      }
      add('declined', 'timeout', 'aligned-timeout');
    }
    if (current.step === 'writing') add('written', 'write-failed', 'timeout');
    if (current.step === 'saving') add('saved', 'save-failed');
    return events;
  }

  /** What leads to the end. */
  next(): CoordinatorEvent | undefined {
    const order = ['acknowledged', 'written', 'saved', 'committed', 'task-ended', 'pause-elapsed'];
    const events = this.possible();
    for (const type of order) {
      const found = events.find((event) => event.type === type);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  ask(then: CheckpointRequest['then'], saves: boolean): void {
    const request = { id: this.#requests++, then, saves };
    this.#open.set(request.id, request);
    if (then === 'drain') {
      this.#areDraining = true;
      this.#hasLast = false;
    }
    this.#decide({ type: 'requested', request });
  }

  endEarly(): void {
    if (this.isOver) return;
    this.outcome = 'failed';
    this.#decide({ type: 'ended-early' });
  }

  send(event: CoordinatorEvent): void {
    if (this.isOver) return this.disturb(event);
    this.#before(event);
    this.#decide(event);
  }

  /** An event that is out of place changes nothing. */
  disturb(event: CoordinatorEvent): void {
    if (!this.isOver && this.possible().some((one) => JSON.stringify(one) === JSON.stringify(event))) return;
    expect(decide(this.#state, event)).toEqual({ state: this.#state, effects: [] });
  }

  #before(event: CoordinatorEvent): void {
    const current = this.#current;
    switch (event.type) {
      case 'pause-elapsed':
        this.#isPausing = false;
        break;
      case 'task-ended':
        this.#ended.add(event.task);
        break;
      case 'acknowledged':
        current?.acknowledged.add(event.task);
        break;
      case 'written':
        this.#durable.add(event.checkpointId);
        this.#failures = 0;
        current!.step = 'durable';
        break;
      case 'saved':
      case 'save-failed':
        this.#current = undefined;
        break;
      case 'committed':
        this.#committing.shift();
        this.#committed.add(event.checkpointId);
        break;
      default:
    }
  }

  #decide(event: CoordinatorEvent): void {
    const { state, effects } = decide(this.#state, event);
    this.#state = state;
    const isOverrun = event.type === 'timeout' && this.#current?.step === 'writing';
    const isAborted = effects.some(({ type }) => type === 'abort');
    const wasAskedFor = effects.some((effect) => effect.type === 'reject' && effect.reason !== 'job-over');
    if (isOverrun || (isAborted && !wasAskedFor)) this.#failures++;
    const isTooMany = this.#failures > this.settings.tolerableFailures;
    expect(effects.some(({ type }) => type === 'fail-job')).toBe(isTooMany && !this.isOver); // invariant 5
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: CoordinatorEffect): void {
    if (this.isOver) expect(effect.type).toBe('reject');
    switch (effect.type) {
      case 'trigger': {
        const id = effect.checkpointId;
        // invariant 1
        if (this.#current !== undefined) expect(this.#current.step).toBe('durable');
        expect(id).toBe(this.#lastId + 1);
        this.#lastId = id;
        this.#isFinal = this.#ended.size === TASKS.length;
        this.#isSuspending = effect.suspends;
        this.#areSuspended ||= effect.suspends;
        this.#current = { id, acknowledged: new Set(), step: 'aligning' };
        break;
      }
      case 'write':
        expect(this.#current?.id).toBe(effect.checkpointId);
        expect(this.#current?.acknowledged.size).toBe(TASKS.length); // invariant 2
        this.#current!.step = 'writing';
        break;
      case 'overtake':
      case 'extend-timeout':
        expect(this.#current?.id).toBe(effect.checkpointId);
        break;
      case 'notify-complete':
        expect(this.#durable.has(effect.checkpointId)).toBe(true); // invariant 2
        if (this.#isFinal || (this.#isSuspending && !this.#areDraining)) this.#hasLast = true;
        break;
      case 'commit':
        expect(this.#durable.has(effect.checkpointId)).toBe(true); // invariant 2
        expect(Math.max(0, ...this.#committed)).toBeLessThan(effect.checkpointId); // invariant 3
        expect(this.#committing).toEqual([]);
        this.#committing.push(effect.checkpointId);
        break;
      case 'save':
        expect(this.#current?.id).toBe(effect.checkpointId);
        expect([...this.#durable].every((id) => this.#committed.has(id))).toBe(true); // invariant 6
        expect(this.#open.has(effect.requestId)).toBe(true);
        this.#current!.step = 'saving';
        break;
      case 'abort':
        expect(this.#current?.id).toBe(effect.checkpointId);
        expect(this.#durable.has(effect.checkpointId)).toBe(false);
        this.#current = undefined;
        break;
      case 'fulfil': {
        const request = this.#open.get(effect.requestId);
        expect(request).toBeDefined(); // invariant 6
        expect(this.#durable.has(effect.checkpointId)).toBe(true);
        if (request?.saves === true) expect(this.#committed.has(effect.checkpointId)).toBe(true);
        if (request?.then === 'drain') expect(this.#ended.size).toBe(TASKS.length);
        this.#open.delete(effect.requestId);
        break;
      }
      case 'reject':
        expect(this.#open.delete(effect.requestId)).toBe(true); // invariant 6
        break;
      case 'start-pause':
        expect(this.settings.hasMinPause).toBe(true);
        this.#isPausing = true;
        this.#current = undefined;
        break;
      case 'drain-sources':
        expect(this.#areDraining).toBe(true);
        break;
      case 'resume-sources':
        expect(this.#areSuspended).toBe(true);
        this.#areSuspended = false;
        this.#hasLast = false;
        break;
      case 'fail-job':
        this.outcome = 'failed';
        break;
      case 'finish-job':
        expect(this.#hasLast).toBe(true); // invariants 4 and 7
        expect(this.#ended.size === TASKS.length || this.#areSuspended).toBe(true);
        expect([...this.#durable].every((id) => this.#committed.has(id))).toBe(true);
        expect(this.#open.size).toBe(0);
        this.outcome = 'finished';
        break;
    }
  }
}

const noise: fc.Arbitrary<CoordinatorEvent> = fc.oneof(
  fc.record({ type: fc.constant('task-ended' as const), task: fc.constant('nobody') }),
  fc.record({
    type: fc.constant('acknowledged' as const),
    task: fc.constantFrom(...TASKS),
    checkpointId: fc.integer({ min: 3, max: 12 }),
  }),
  fc.record({
    type: fc.constantFrom(
      ...(['declined', 'aligned-timeout', 'timeout', 'written', 'write-failed'] as const),
      ...(['committed', 'saved', 'save-failed'] as const),
    ),
    checkpointId: fc.integer({ min: 3, max: 12 }),
  }),
);

type Step =
  | { readonly do: 'happen'; readonly pick: number }
  | { readonly do: 'go-on' }
  | { readonly do: 'disturb'; readonly event: CoordinatorEvent }
  | { readonly do: 'ask'; readonly then: CheckpointRequest['then']; readonly saves: boolean }
  | { readonly do: 'end-early' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 80, arbitrary: fc.record({ do: fc.constant('happen' as const), pick: fc.nat({ max: 30 }) }) },
  { weight: 40, arbitrary: fc.constant({ do: 'go-on' as const }) },
  { weight: 40, arbitrary: fc.record({ do: fc.constant('disturb' as const), event: noise }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      then: fc.constantFrom('go-on' as const, 'suspend' as const, 'drain' as const),
      saves: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'end-early' as const }) },
);

describe('checkpoint coordinator', () => {
  it('coordinator invariants 1 to 7 hold whatever happens, and it never gets stuck', () => {
    const outcomes = { finished: 0, failed: 0 };
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 150 }),
        fc.record({
          maxPendingCommits: fc.integer({ min: 1, max: 3 }),
          hasMinPause: fc.boolean(),
          tolerableFailures: fc.integer({ min: 0, max: 4 }),
          isRestored: fc.boolean(),
        }),
        (steps, settings) => {
          const world = new World(settings);
          for (const one of steps) {
            if (one.do === 'disturb') world.disturb(one.event);
            else if (one.do === 'ask') world.ask(one.then, one.saves);
            else if (one.do === 'end-early') world.endEarly();
            else {
              const events = world.possible();
              const event = one.do === 'happen' ? events[one.pick % events.length] : world.next();
              if (event !== undefined) world.send(event);
            }
          }
          for (let i = 0; i < 400 && !world.isOver; i++) {
            const event = world.next();
            expect(event).toBeDefined(); // it always waits for something that comes
            world.send(event!);
          }
          expect(world.isOver).toBe(true);
          expect(world.openRequests).toBe(0); // invariant 6
          outcomes[world.outcome!]++;
        },
      ),
      { numRuns: 1000 },
    );
    expect(outcomes.finished).toBeGreaterThan(100);
    expect(outcomes.failed).toBeGreaterThan(20);
  });
});
