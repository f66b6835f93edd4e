/** What all window operators have in common: late records, wake-ups of the clock, the frame of a snapshot. */
import { CheckpointError, StreamRecordError } from '../errors.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import type { KeyedStateSnapshot } from '../state/heap-keyed-state.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { Evictor } from '../windows/evictor.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { Output, StreamOperator } from './operator.js';
import { WindowEmitter } from './window-emitter.js';
import type { WindowFunction } from './window-function.js';
import type { WindowSlots } from './window-state.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

/** Makes one subtask of a window operator. */
export type WindowOperatorFactory = (context: FunctionOperatorContext, output: Output) => StreamOperator;

export interface WindowOptions<A = WindowAssigner<unknown, Window>> {
  readonly keySelector: AnyKeySelector;
  readonly assigner: A;
  readonly windowFunction: WindowFunction;
  /** The assigner's default unless set. */
  readonly trigger?: Trigger<unknown, Window>;
  readonly evictor?: Evictor<unknown, Window>;
  readonly allowedLatenessMs: number;
  readonly lateTag: string | undefined;
}

/** Records of a snapshot that belong to one key group; each begins with the key. */
export interface KeyGroupRecords<R> {
  readonly keyGroup: number;
  readonly entries: readonly R[];
}

/** What is stored of one key in one window; `slots` only where there are any. */
export type PaneRecord = readonly [key: unknown, accumulator: unknown, slots?: WindowSlots];

interface WindowOperatorSnapshot {
  /** Says what `windows` is: state of another layout cannot be read. */
  readonly layout: string;
  readonly globalState: readonly KeyedStateSnapshot[];
  readonly windows: unknown;
}

export abstract class WindowOperator<SnapshotT> implements StreamOperator {
  protected readonly context: FunctionOperatorContext;
  protected readonly keySelector: AnyKeySelector;
  protected readonly windowFunction: WindowFunction;
  protected readonly emitter: WindowEmitter;
  protected readonly isEventTime: boolean;
  protected readonly allowedLatenessMs: number;
  readonly #output: Output;
  readonly #options: WindowOptions;
  readonly #layout: string;
  #wakeUp: { readonly at: number; readonly cancel: () => void } | undefined;
  #isOpen = false;
  protected isFinished = false;
  lateRecordsDropped = 0;

  protected constructor(
    context: FunctionOperatorContext,
    output: Output,
    options: WindowOptions,
    storage: string,
  ) {
    const { assigner, windowFunction } = options;
    this.context = context;
    this.keySelector = options.keySelector;
    this.windowFunction = windowFunction;
    this.isEventTime = assigner.isEventTime;
    this.allowedLatenessMs = assigner.isEventTime ? options.allowedLatenessMs : 0;
    this.emitter = new WindowEmitter(context, output, windowFunction, assigner.mergeWindows !== undefined);
    this.#output = output;
    this.#options = options;
    this.#layout = `${windowFunction.kind} in ${storage} of ${String(assigner)}`;
  }

  abstract processElement(value: unknown, timestamp: number): void;
  /** Fires what the watermark `emitter.currentWatermark` completes. */
  protected abstract onEventTime(watermark: number): void;
  /** Fires what is complete when the clock has passed `time`. */
  protected abstract onProcessingTime(time: number): void;
  protected abstract snapshotWindows(): SnapshotT;
  protected abstract restoreWindows(snapshot: SnapshotT): void;
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
      globalState: this.emitter.snapshot(),
      windows: this.snapshotWindows(),
    };
  }

  /** Called by the subclass's constructor, when its fields are set. */
  protected restore(): void {
    for (const snapshot of (this.context.restored ?? []) as readonly WindowOperatorSnapshot[]) {
      if (snapshot.layout !== this.#layout) {
        throw new CheckpointError(
          `The checkpoint has '${snapshot.layout}' for '${this.context.operatorName}', the program has '${this.#layout}'. ` +
            'Open windows cannot change their kind or size: give the operator another uid, and begin afresh.',
          { details: { operator: this.context.operatorName, uid: this.context.operatorUid } },
        );
      }
      this.emitter.restore(snapshot.globalState);
      this.restoreWindows(snapshot.windows as SnapshotT);
    }
  }

  finish(): void {
    this.isFinished = true;
    this.#wakeUp?.cancel();
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

/** The records of `snapshot` whose key group this subtask has. */
export function* ownRecords<R>(
  groups: readonly KeyGroupRecords<R>[],
  { keyGroups }: FunctionOperatorContext,
): Iterable<R> {
  for (const { keyGroup, entries } of groups) {
    if (keyGroup >= keyGroups.start && keyGroup < keyGroups.end) yield* entries;
  }
}
