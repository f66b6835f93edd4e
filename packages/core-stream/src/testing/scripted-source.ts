import type {
  Boundedness,
  PollStatus,
  ReaderOutput,
  Source,
  SourceReader,
  SourceReaderContext,
  SourceSplit,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '../connectors/source.js';
import { StreamConfigError } from '../errors.js';
import { WatermarkStrategy, type WatermarkOutput } from '../time/watermark-strategy.js';
import { ScriptedFailure, type ScriptedRecord, type ScriptStep } from './script.js';

/** A script and the position in it. */
export interface ScriptedSplit extends SourceSplit {
  readonly index: number;
  readonly next: number;
}

/** How a script is played, and what a test is told of it. */
export interface ScriptedSourceOptions {
  /** `bounded` unless told. An unbounded split waits after its last step, unless that is `END`. */
  readonly boundedness?: Boundedness;
  /** Records per poll at most. */
  readonly batch?: number;
  /** Splits without a watermark of their own: all records go to the main output. */
  readonly isSingleOutput?: boolean;
  readonly onNotify?: (checkpointId: number) => void;
  readonly onPoll?: () => void;
  readonly onSnapshot?: (checkpointId: number) => void;
}

/** A split while it is read. */
interface OpenSplit {
  readonly index: number;
  readonly splitId: string;
  next: number;
  pausesLeft: number;
  hasEmitted: boolean;
  /** Where its watermarks go: known from its first record on. */
  watermarks: WatermarkOutput | undefined;
  /** The watermark that waits for it. */
  pendingWatermark: number | undefined;
}

/**
 * Plays scripts of records and sentinels, one per split; a reader reads its splits in turn. Split `i` belongs to reader
 * `i mod parallelism`. Checkpoints hold the positions, so that a restored job goes on where they were taken.
 *
 * @example
 * const source = new ScriptedSource([
 *   [{ value: 'a', timestamp: 1 }, PAUSE, { value: 'b', timestamp: 2 }],
 *   [{ value: 'c', timestamp: 1 }, FAIL, { value: 'd', timestamp: 2 }],
 * ]);
 * env.fromSource(source, WatermarkStrategy.forMonotonousTimestamps(), 'letters');
 */
export class ScriptedSource<T> implements Source<T, ScriptedSplit, readonly ScriptedSplit[]> {
  readonly boundedness: Boundedness;
  readonly scripts: readonly (readonly ScriptStep<T>[])[];
  readonly options: ScriptedSourceOptions;
  readonly #readers = new Set<ScriptedReader<T>>();
  /** By split and step. */
  readonly #failures = new Map<string, number>();
  /** The split whose record is being emitted: what the strategy's generator is asked about. */
  #emitting: OpenSplit | undefined;
  /** Records that have been emitted, by all runs. */
  emitted = 0;
  closedReaders = 0;
  closedEnumerators = 0;
  /** Splits that were handed back because the parallelism had changed. */
  returnedSplits = 0;
  resumes = 0;

  constructor(scripts: readonly (readonly ScriptStep<T>[])[], options: ScriptedSourceOptions = {}) {
    this.scripts = scripts;
    this.options = options;
    this.boundedness = options.boundedness ?? 'bounded';
  }

  /** Lets every split pass one more pause. */
  resume(): void {
    this.resumes++;
    for (const reader of this.#readers) reader.wake();
  }

  /** The strategy by which the watermarks of the scripts take effect, and no others. */
  watermarks(): WatermarkStrategy<T> {
    return WatermarkStrategy.forGenerator<T>(() => ({
      onEvent: (_value, _timestamp, output) => {
        const split = this.#emitting;
        if (split === undefined) return;
        split.watermarks = output;
        if (split.pendingWatermark !== undefined) output.emitWatermark(split.pendingWatermark);
        split.pendingWatermark = undefined;
      },
      onPeriodicEmit: () => undefined,
    }));
  }

  createEnumerator(
    context: SplitEnumeratorContext<ScriptedSplit>,
    restored?: readonly ScriptedSplit[],
  ): SplitEnumerator<ScriptedSplit, readonly ScriptedSplit[]> {
    let unassigned =
      restored ?? this.scripts.map((_, index) => ({ splitId: `split-${index}`, index, next: 0 }));
    const hasEnd = this.scripts.every((script) => script.some((step) => isCommand(step, 'end')));
    return {
      start: () => undefined,
      handleSplitRequest: (subtaskIndex) => {
        const isOwn = (split: ScriptedSplit) => split.index % context.parallelism === subtaskIndex;
        for (const split of unassigned.filter(isOwn)) context.assignSplit(split, subtaskIndex);
        unassigned = unassigned.filter((split) => !isOwn(split));
        if (this.boundedness === 'bounded' || hasEnd) context.signalNoMoreSplits(subtaskIndex);
      },
      addSplitsBack: (splits) => {
        this.returnedSplits += splits.length;
        unassigned = [...unassigned, ...splits];
      },
      snapshotState: () => unassigned,
      close: () => void this.closedEnumerators++,
    };
  }

  createReader(context: SourceReaderContext): SourceReader<T, ScriptedSplit> {
    const reader = new ScriptedReader(this, context);
    this.#readers.add(reader);
    return reader;
  }

  /** For the reader: emits a record of `split`, and with it what waits for it. */
  emit(split: OpenSplit, { value, timestamp }: ScriptedRecord<T>, output: ReaderOutput<T>): void {
    this.emitted++;
    this.#emitting = split;
    try {
      output.collect(value, timestamp);
    } finally {
      this.#emitting = undefined;
    }
    split.hasEmitted = true;
    if (split.pendingWatermark !== undefined) throw noStrategy();
  }

  /** For the reader: throws where this step has failed fewer than `times` times. */
  failAt(split: OpenSplit, times: number): void {
    const step = `${split.splitId}, step ${split.next}`;
    const failures = this.#failures.get(step) ?? 0;
    if (failures >= times) return;
    this.#failures.set(step, failures + 1);
    throw new ScriptedFailure(`the script says so: ${step}, time ${failures + 1} of ${times}`);
  }
}

class ScriptedReader<T> implements SourceReader<T, ScriptedSplit> {
  readonly #source: ScriptedSource<T>;
  readonly #context: SourceReaderContext;
  #splits: OpenSplit[] = [];
  readonly #outputs = new Map<string, ReaderOutput<T>>();
  #noMoreSplits = false;
  #wake: (() => void) | undefined;

  constructor(source: ScriptedSource<T>, context: SourceReaderContext) {
    this.#source = source;
    this.#context = context;
  }

  start(): void {
    this.#context.requestSplit();
  }

  wake(): void {
    for (const split of this.#splits) split.pausesLeft++;
    this.#wake?.();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    const { options } = this.#source;
    options.onPoll?.();
    let left = Math.min(maxRecords, options.batch ?? maxRecords);
    let isProgress = true;
    while (left > 0 && isProgress) {
      isProgress = false;
      for (const split of [...this.#splits]) {
        if (left === 0) break;
        const played = this.#play(split, output);
        if (played !== 'nothing') isProgress = true;
        if (played === 'record') left--;
      }
    }
    if (this.#splits.length === 0 && this.#noMoreSplits) return 'end';
    return left > 0 ? 'wait' : 'more';
  }

  /** One step of a script. */
  #play(split: OpenSplit, output: ReaderOutput<T>): 'record' | 'command' | 'nothing' {
    const step = this.#source.scripts[split.index]?.[split.next];
    if (step === undefined) {
      if (this.#source.boundedness === 'unbounded') return 'nothing';
      this.#finish(split, output);
      return 'command';
    }
    if (!('command' in step)) {
      split.next++;
      this.#source.emit(split, step, this.#outputOf(output, split.splitId));
      return 'record';
    }
    switch (step.command) {
      case 'pause':
        if (split.pausesLeft === 0) return 'nothing';
        split.pausesLeft--;
        break;
      case 'end':
        this.#finish(split, output);
        break;
      case 'fail':
        this.#source.failAt(split, step.times);
        break;
      case 'watermark':
        if (split.watermarks !== undefined) split.watermarks.emitWatermark(step.timestamp);
        else if (split.hasEmitted) throw noStrategy();
        else split.pendingWatermark = step.timestamp;
        break;
    }
    split.next++;
    return 'command';
  }

  #finish(split: OpenSplit, output: ReaderOutput<T>): void {
    this.#splits = this.#splits.filter((other) => other !== split);
    if (this.#source.options.isSingleOutput !== true) output.releaseSplit(split.splitId);
  }

  #outputOf(output: ReaderOutput<T>, splitId: string): ReaderOutput<T> {
    if (this.#source.options.isSingleOutput === true) return output;
    let own = this.#outputs.get(splitId);
    if (own === undefined) {
      // All splits hold the watermark back from the start, as a real reader's do.
      for (const split of this.#splits) this.#outputs.set(split.splitId, output.forSplit(split.splitId));
      own = this.#outputs.get(splitId) ?? output.forSplit(splitId);
    }
    return own;
  }

  isAvailable(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  addSplits(splits: readonly ScriptedSplit[]): void {
    for (const { index, splitId, next } of splits) {
      const played = this.#source.scripts[index]?.slice(0, next) ?? [];
      const passed = played.filter((step) => isCommand(step, 'pause')).length;
      this.#splits.push({
        index,
        splitId,
        next,
        pausesLeft: Math.max(0, this.#source.resumes - passed),
        hasEmitted: false,
        watermarks: undefined,
        pendingWatermark: undefined,
      });
    }
    this.#wake?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#wake?.();
  }

  snapshotState(checkpointId: number): readonly ScriptedSplit[] {
    this.#source.options.onSnapshot?.(checkpointId);
    return this.#splits.map(({ index, splitId, next }) => ({ index, splitId, next }));
  }

  notifyCheckpointComplete(checkpointId: number): void {
    this.#source.options.onNotify?.(checkpointId);
  }

  close(): void {
    this.#source.closedReaders++;
  }
}

function isCommand<T>(step: ScriptStep<T>, command: 'pause' | 'end'): boolean {
  return 'command' in step && step.command === command;
}

function noStrategy(): StreamConfigError {
  return new StreamConfigError(
    'The script has a watermark, but the source is used with another strategy. Use `env.fromSource(source, source.watermarks(), name)`.',
  );
}
