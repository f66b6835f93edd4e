/**
 * Session windows with the default trigger, in event time or processing time.
 *
 * Role: keeps each key's sessions in a list, the newest first, which is where almost every record belongs. A session has one
 * timer, which is moved only when it fires and the session has grown since.
 *
 * Invariants
 * 1. A key's sessions neither overlap nor touch: a record that connects some makes them one before it is added, the earlier
 *    session's contents first.
 * 2. A record that would be in a session of its own, with `end − 1 + allowed lateness ≤ current watermark`, is late.
 *    In processing time no record is late.
 * 3. A session is emitted when the watermark reaches `end − 1`, before that watermark is passed on, or when the clock
 *    reaches `end`; sessions in the order of their end, those of one end in the order in which they got their bounds. Each
 *    later record that is still allowed and leaves the end behind the watermark emits it again, at once.
 * 4. Each session has one live timer, not after what it is due for next.
 * 5. Each (key, session) is a row, which is reported when it changes, also by having been emitted.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { Row, type RowTracker } from '../state/rows.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { SessionWindows } from '../windows/session-windows.js';
import { WindowTimers, type WindowTimer } from '../windows/window-timers.js';
import { TimeWindow } from '../windows/window.js';
import type { Output } from './operator.js';
import { takeWindows, type StoredSession } from './stored-windows.js';
import { SubtaskOrders } from './subtask-orders.js';
import { WindowOperator, type WindowOperatorFactory, type WindowOptions } from './window-operator.js';
import type { WindowScope, WindowSlots } from './window-state.js';
import { EMPTY } from './window-trigger-context.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

class Session extends Row implements WindowScope {
  readonly key: unknown;
  readonly identity: unknown;
  /** What it is stored under: no other session of its key has it. */
  readonly id: number;
  start: number;
  end: number;
  /** `EMPTY` when it is gone. */
  accumulator: unknown;
  /** The key's next older session. */
  older: Session | undefined;
  /** When it got its bounds, among all sessions. */
  order: number;
  /** Whether it was emitted with these bounds: it only waits for late records. */
  hasFired = false;
  timer: WindowTimer<Session> | undefined = undefined;
  /** Never set: what merges has no state. */
  slots: WindowSlots | undefined = undefined;

  constructor(
    key: unknown,
    identity: unknown,
    start: number,
    end: number,
    accumulator: unknown,
    order: number,
    id = order,
  ) {
    super();
    this.key = key;
    this.identity = identity;
    this.id = id;
    this.start = start;
    this.end = end;
    this.accumulator = accumulator;
    this.order = order;
    this.older = undefined;
  }
}

export function sessionWindowOperator(
  options: WindowOptions<SessionWindows<unknown>>,
): WindowOperatorFactory {
  return (context, output) => new SessionWindowOperator(context, output, options);
}

class SessionWindowOperator extends WindowOperator {
  readonly #assigner: SessionWindows<unknown>;
  /** A key's newest session, by key identity. */
  readonly #newest = new Map<unknown, Session>();
  readonly #timers = new WindowTimers<Session>();
  readonly #tracker: RowTracker<Session>;
  readonly #orders: SubtaskOrders;

  constructor(
    context: FunctionOperatorContext,
    output: Output,
    options: WindowOptions<SessionWindows<unknown>>,
  ) {
    super(context, output, options, 'sessions');
    this.#orders = new SubtaskOrders(context);
    this.#assigner = options.assigner;
    this.#tracker = context.trackRows<Session>({
      table: 'sessions',
      namespaceOf: ({ id }) => id,
      isGone: ({ accumulator }) => accumulator === EMPTY,
      dataOf: ({ start, end, accumulator, order, hasFired }): StoredSession => {
        return { start, end, accumulator, order, hasFired };
      },
    });
    this.#restore();
  }

  processElement(value: unknown, timestamp: number): void {
    const time = this.isEventTime ? timestamp : this.context.clock.now();
    if (time === MIN_TIMESTAMP) throw this.noTimestamp();
    const key = this.keySelector(value);
    const identity = keyIdentity(key);
    const end = time + this.#assigner.gapOf(value);
    const newest = this.#newest.get(identity);
    let newer: Session | undefined;
    let session = newest;
    while (session !== undefined && session.start > end) {
      newer = session;
      session = session.older;
    }
    if (session === undefined || session.end < time) {
      if (end - 1 + this.allowedLatenessMs <= this.#watermark) {
        this.skip(value, timestamp); // invariant 2
        return;
      }
      const older = session;
      session = new Session(key, identity, time, end, this.windowFunction.create(value), this.#orders.next());
      session.older = older;
      if (newer === undefined) this.#newest.set(identity, session);
      else newer.older = session;
      this.#onGrowth(session);
    } else {
      const hasGrown = this.#grow(session, time, end);
      session.accumulator = this.windowFunction.add(session.accumulator, value);
      if (hasGrown) this.#onGrowth(session);
    }
    this.#tracker.changed(session); // invariant 5
    if (session.end - 1 <= this.#watermark) this.#emit(session); // invariant 3
  }

  protected override onEventTime(watermark: number): void {
    if (this.isEventTime) this.#advance(watermark);
  }

  protected override onProcessingTime(time: number): void {
    if (!this.isEventTime) this.#advance(time);
  }

  protected override get nextProcessingTime(): number | undefined {
    return this.isEventTime ? undefined : this.#timers.nextTime;
  }

  protected override removeAll(): void {
    for (let session of this.#newest.values()) {
      for (;;) {
        this.#remove(session);
        if (session.older === undefined) break;
        session = session.older;
      }
    }
    this.#newest.clear();
  }

  #restore(): void {
    const own = this.restored.filter(({ storage }) => storage === 'sessions');
    this.#orders.continueAt(own.map((stored) => stored.own as number));
    const sessions: Session[] = [];
    for (const { key, namespace, data } of this.context.restoredRows('sessions')) {
      const { start, end, accumulator, order, hasFired } = data as StoredSession;
      const identity = keyIdentity(key);
      const session = new Session(key, identity, start, end, accumulator, order, namespace as number);
      session.hasFired = hasFired;
      this.#tracker.restored(session);
      sessions.push(session);
    }
    for (const { key, window, parts, hasFired } of takeWindows('sessions', this)) {
      const { start, end } = window as TimeWindow;
      const session = new Session(key, keyIdentity(key), start, end, parts, this.#orders.next());
      session.hasFired = hasFired;
      this.#tracker.changed(session);
      sessions.push(session);
    }
    sessions.sort((a, b) => b.start - a.start);
    const oldest = new Map<unknown, Session>();
    for (const session of sessions) {
      const end = session.end - 1;
      this.#arm(session, session.hasFired ? end + this.allowedLatenessMs : end);
      const newer = oldest.get(session.identity);
      if (newer === undefined) this.#newest.set(session.identity, session);
      else newer.older = session;
      oldest.set(session.identity, session);
    }
    this.adopt((adopted) => {
      for (const session of sessions) {
        session.accumulator = adopted(session.accumulator);
        this.#tracker.changed(session); // invariant 5
      }
    });
  }

  /** The next order. */
  protected override snapshotOwn(): number {
    return this.#orders.nextOrder;
  }

  /** Up to where sessions have been emitted. */
  get #watermark(): number {
    return this.isEventTime ? this.emitter.currentWatermark : MIN_TIMESTAMP;
  }

  /** Takes in `[start, end)`, and the older sessions that this reaches (invariant 1). Returns whether the bounds changed. */
  #grow(session: Session, start: number, end: number): boolean {
    let hasGrown = false;
    if (end > session.end) {
      session.end = end;
      hasGrown = true;
    }
    if (start < session.start) {
      session.start = start;
      hasGrown = true;
      let { older } = session;
      while (older !== undefined && older.end >= start) {
        session.accumulator = this.windowFunction.merge(older.accumulator, session.accumulator);
        session.start = Math.min(session.start, older.start);
        if (older.timer !== undefined) this.#timers.cancel(older.timer.order);
        this.#remove(older);
        older = older.older;
      }
      session.older = older;
    }
    return hasGrown;
  }

  #onGrowth(session: Session): void {
    session.order = this.#orders.next();
    const end = session.end - 1;
    session.hasFired = end <= this.#watermark;
    const due = session.hasFired ? end + this.allowedLatenessMs : end;
    if (session.timer !== undefined && session.timer.at <= due) return; // invariant 4
    if (session.timer !== undefined) this.#timers.cancel(session.timer.order);
    this.#arm(session, due);
  }

  #advance(to: number): void {
    for (let timer = this.#timers.takeDue(to); timer !== undefined; timer = this.#timers.takeDue(to)) {
      const session = timer.target;
      session.timer = undefined;
      const end = session.end - 1;
      if (timer.at < end || (timer.at === end && timer.order !== session.order)) {
        this.#arm(session, end); // invariant 4: it has grown
        continue;
      }
      if (timer.at === end && !session.hasFired) this.#emit(session);
      session.hasFired = true;
      this.#tracker.changed(session); // invariant 5
      if (timer.at === end + this.allowedLatenessMs) this.#drop(session);
      else this.#arm(session, end + this.allowedLatenessMs);
    }
  }

  #arm(session: Session, at: number): void {
    session.timer = this.#timers.register(at, session, session.order);
    this.scheduleWakeUp();
  }

  #emit(session: Session): void {
    this.emitter.setWindow(new TimeWindow(session.start, session.end));
    this.emitter.emit(session.key, session, session.accumulator);
  }

  #drop(session: Session): void {
    if (this.emitter.hasClear) {
      this.emitter.setWindow(new TimeWindow(session.start, session.end));
      this.emitter.clear(session.key, session);
    }
    this.#remove(session);
    const newest = this.#newest.get(session.identity);
    if (newest === session) {
      if (session.older === undefined) this.#newest.delete(session.identity);
      else this.#newest.set(session.identity, session.older);
      return;
    }
    for (let newer = newest; newer !== undefined; newer = newer.older) {
      if (newer.older !== session) continue;
      newer.older = session.older;
      return;
    }
  }

  #remove(session: Session): void {
    session.accumulator = EMPTY;
    this.#tracker.removed(session);
  }
}
