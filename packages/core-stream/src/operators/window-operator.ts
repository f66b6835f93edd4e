/** What all window operators have in common: late records, wake-ups of the clock, the frame of a snapshot. */
import { CheckpointError, StreamRecordError } from '../errors.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { Evictor } from '../windows/evictor.js';
import { EventTimeTrigger } from '../windows/event-time-trigger.js';
import { ProcessingTimeTrigger } from '../windows/processing-time-trigger.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { Output, StreamOperator } from './operator.js';
import type { TakeOptions, WindowStorage } from './stored-windows.js';
import { WindowEmitter, type EmitterSnapshot } from './window-emitter.js';
import { KeptSchemas, type KeptVersions } from './kept-schemas.js';
import type { WindowContents } from './window-contents.js';
import type { WindowFunction } from './window-function.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

/** Makes one subtask of a window operator. */
export type WindowOperatorFactory = (context: FunctionOperatorContext, output: Output) => StreamOperator;

export interface WindowOptions<A = WindowAssigner<unknown, Window>> {
  readonly keySelector: AnyKeySelector;
  readonly assigner: A;
  readonly windowFunction: WindowFunction;
  readonly contents: WindowContents;
  /** The assigner's default unless set. */
  readonly trigger?: Trigger<unknown, Window>;
  readonly evictor?: Evictor<unknown, Window>;
  readonly allowedLatenessMs: number;
  readonly lateTag: string | undefined;
}

/** What is not in rows. */
export interface WindowOperatorSnapshot {
  /** Says what is kept per window: windows of another layout cannot be read. */
  readonly layout: string;
  /** How its windows are stored. */
  readonly storage: WindowStorage;
  readonly emitter: EmitterSnapshot;
  /** Of the contents. */
  readonly versions: KeptVersions;
  /** The operator's own. */
  readonly own: unknown;
}

export abstract class WindowOperator implements StreamOperator, TakeOptions {
  readonly context: FunctionOperatorContext;
  readonly assigner: WindowAssigner<unknown, Window>;
  protected readonly keySelector: AnyKeySelector;
  protected readonly windowFunction: WindowFunction;
  protected readonly emitter: WindowEmitter;
  protected readonly isEventTime: boolean;
  readonly allowedLatenessMs: number;
  readonly #output: Output;
  readonly #options: WindowOptions;
  readonly #layout: string;
  readonly #storage: WindowStorage;
  readonly #kept: KeptSchemas;
  #wakeUp: { readonly at: number; readonly cancel: () => void } | undefined;
  #isOpen = false;
  protected isFinished = false;
  lateRecordsDropped = 0;

  protected constructor(
    context: FunctionOperatorContext,
    output: Output,
    options: WindowOptions,
    storage: WindowStorage,
  ) {
    const { assigner, windowFunction } = options;
    this.context = context;
    this.assigner = assigner;
    this.keySelector = options.keySelector;
    this.windowFunction = windowFunction;
    this.isEventTime = assigner.isEventTime;
    this.allowedLatenessMs = assigner.isEventTime ? options.allowedLatenessMs : 0;
    this.#output = output;
    this.#options = options;
    this.#layout = layoutOf(options);
    this.#storage = storage;
    for (const { layout } of this.restored) this.#requireLayout(layout);
    const versions = this.restored.map((stored) => stored.versions);
    this.#kept = new KeptSchemas('window', options.contents.parts, context, versions);
    const isMerging = assigner.mergeWindows !== undefined;
    const stored = this.restored.map(({ emitter }) => emitter);
    this.emitter = new WindowEmitter(context, output, windowFunction, isMerging, stored);
  }

  /** What all subtasks have stored, ascending. */
  get restored(): readonly WindowOperatorSnapshot[] {
    return (this.context.restored ?? []) as readonly WindowOperatorSnapshot[];
  }

  /**
   * Call it when windows have been restored: when the job starts, `replace` gives each window what the function that it gets makes
   * of its contents. Windows that were taken over have the parts of their contents until then. Not called where nothing changes.
   */
  protected adopt(replace: (adopted: (contents: unknown) => unknown) => void): void {
    const isTaken = this.restored.some(({ storage }) => storage !== this.#storage);
    if (!isTaken && !this.#kept.isChanged) return;
    this.context.states.change(() => {
      const migrations = this.#kept.migrations();
      const { isChanged } = this.#kept;
      const migrate = (old: unknown) => (isChanged ? this.#options.contents.migrate(old, migrations) : old);
      const combine = (parts: readonly unknown[]) =>
        parts.map(migrate).reduce((a, b) => this.windowFunction.merge(a, b));
      replace(isTaken ? (contents) => combine(contents as readonly unknown[]) : migrate);
    });
  }

  abstract processElement(value: unknown, timestamp: number): void;
  /** Fires what the watermark `emitter.currentWatermark` completes. */
  protected abstract onEventTime(watermark: number): void;
  /** Fires what is complete when the clock has passed `time`. */
  protected abstract onProcessingTime(time: number): void;
  /** Removes all windows: the clock will not complete them any more. */
  protected abstract removeAll(): void;
  /** The time of the next call of `onProcessingTime`; `undefined` where there is none. */
  protected abstract readonly nextProcessingTime: number | undefined;

  open(): void | Promise<void> {
    this.#isOpen = true;
    this.scheduleWakeUp();
    return this.emitter.open();
  }

  processWatermark(timestamp: number): void {
    this.emitter.currentWatermark = timestamp;
    this.onEventTime(timestamp);
    this.#output.emitWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  finishKey(): void {
    this.emitter.currentWatermark = MAX_WATERMARK;
    this.onEventTime(MAX_WATERMARK);
    this.onProcessingTime(MAX_WATERMARK);
    this.emitter.currentWatermark = MIN_TIMESTAMP;
    this.emitter.dropCurrentKey();
  }

  snapshotState(): WindowOperatorSnapshot {
    return {
      layout: this.#layout,
      storage: this.#storage,
      emitter: this.emitter.snapshot(),
      versions: this.#kept.versions,
      own: this.snapshotOwn(),
    };
  }

  /** What the operator stores besides its rows. */
  protected snapshotOwn(): unknown {
    return undefined;
  }

  #requireLayout(layout: string): void {
    if (layout === this.#layout) return;
    const { operatorName, operatorUid } = this.context;
    throw new CheckpointError(
      `The checkpoint has '${layout}' for '${operatorName}', the program has '${this.#layout}'. ` +
        'Open windows cannot change their kind or size: give the operator another uid, and begin afresh.',
      { details: { operator: operatorName, uid: operatorUid } },
    );
  }

  finish(): void {
    this.isFinished = true;
    this.#wakeUp?.cancel();
    if (!this.isEventTime) this.removeAll();
  }

  close(): void | Promise<void> {
    this.isFinished = true;
    this.#wakeUp?.cancel();
    return this.emitter.close();
  }

  /** A record that is in no window: for the late output where it is late, as in Flink. */
  protected skip(value: unknown, timestamp: number): void {
    if (!this.isEventTime || timestamp + this.allowedLatenessMs > this.emitter.currentWatermark) return;
    const { lateTag } = this.#options;
    if (lateTag === undefined) this.lateRecordsDropped++;
    else this.#output.sideOutput(lateTag, value, timestamp);
  }

  /** Sees to it that `onProcessingTime` is called at `nextProcessingTime`. */
  protected scheduleWakeUp(): void {
    const at = this.nextProcessingTime;
    if (at === undefined || !this.#isOpen || this.isFinished) return;
    if (this.#wakeUp !== undefined && this.#wakeUp.at <= at) return;
    this.#wakeUp?.cancel();
    const { clock } = this.context;
    // The time `at` lasts for a millisecond, and belongs to the window that ends with it.
    const delayMs = Math.max(0, at + 1 - clock.now());
    const cancel = this.context.schedule(delayMs, () => {
      this.#wakeUp = undefined;
      if (this.isFinished) return;
      this.onProcessingTime(clock.now() - 1);
      this.scheduleWakeUp();
    });
    this.#wakeUp = { at, cancel };
  }

  protected noTimestamp(): StreamRecordError {
    return new StreamRecordError(
      `A record without a timestamp reached '${this.context.operatorName}', which works in event time. ` +
        'Give the source a WatermarkStrategy with a timestamp assigner, or call assignTimestampsAndWatermarks before it.',
      { details: { operator: this.context.operatorName } },
    );
  }
}

/** What is kept per window. */
function layoutOf(options: WindowOptions): string {
  const { assigner, evictor, windowFunction } = options;
  const windows =
    evictor !== undefined ? 'evicted windows' : hasDefaultTrigger(options) ? 'windows' : 'triggered windows';
  return `${windowFunction.kind} in ${windows} of ${String(assigner)}`;
}

export function hasDefaultTrigger({ assigner, trigger }: WindowOptions): boolean {
  if (trigger === undefined) return true;
  return trigger instanceof (assigner.isEventTime ? EventTimeTrigger : ProcessingTimeTrigger);
}
