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
} from '../../src/index.js';

/** Stops the split here until `resume()` is called once more. */
export const PAUSE = Symbol('pause');

export interface ScriptedRecord<T> {
  readonly value: T;
  readonly timestamp?: number;
}

export type ScriptStep<T> = ScriptedRecord<T> | typeof PAUSE;

interface ScriptedSplit extends SourceSplit {
  readonly index: number;
  readonly next: number;
}

export interface ScriptedSourceOptions {
  readonly boundedness?: Boundedness;
  /** Records per poll at most. */
  readonly batch?: number;
  /** Splits without an own watermark: all records go to the main output. */
  readonly isSingleOutput?: boolean;
  readonly onNotify?: (checkpointId: number) => void;
  readonly onPoll?: () => void;
  readonly onSnapshot?: (checkpointId: number) => void;
}

/** Plays scripts, one per split; a reader reads its splits in turn. Split `i` belongs to reader `i mod parallelism`. */
export class ScriptedSource<T> implements Source<T, ScriptedSplit, readonly ScriptedSplit[]> {
  readonly boundedness: Boundedness;
  readonly scripts: readonly (readonly ScriptStep<T>[])[];
  readonly options: ScriptedSourceOptions;
  readonly #readers = new Set<ScriptedReader<T>>();
  emitted = 0;
  closedReaders = 0;
  closedEnumerators = 0;
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

  createEnumerator(
    context: SplitEnumeratorContext<ScriptedSplit>,
    restored?: readonly ScriptedSplit[],
  ): SplitEnumerator<ScriptedSplit, readonly ScriptedSplit[]> {
    let unassigned =
      restored ?? this.scripts.map((_, index) => ({ splitId: `split-${index}`, index, next: 0 }));
    return {
      start: () => undefined,
      handleSplitRequest: (subtaskIndex) => {
        const isOwn = (split: ScriptedSplit) => split.index % context.parallelism === subtaskIndex;
        for (const split of unassigned.filter(isOwn)) context.assignSplit(split, subtaskIndex);
        unassigned = unassigned.filter((split) => !isOwn(split));
        if (this.boundedness === 'bounded') context.signalNoMoreSplits(subtaskIndex);
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
}

class ScriptedReader<T> implements SourceReader<T, ScriptedSplit> {
  readonly #source: ScriptedSource<T>;
  readonly #context: SourceReaderContext;
  #splits: { readonly index: number; readonly splitId: string; next: number; pausesLeft: number }[] = [];
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
    const { options, scripts } = this.#source;
    options.onPoll?.();
    let left = Math.min(maxRecords, options.batch ?? maxRecords);
    let isProgress = true;
    while (left > 0 && isProgress) {
      isProgress = false;
      for (const split of [...this.#splits]) {
        const script = scripts[split.index] ?? [];
        const step = script[split.next];
        if (step === undefined) {
          if (this.#source.boundedness === 'unbounded') continue;
          this.#splits = this.#splits.filter((other) => other !== split);
          if (options.isSingleOutput !== true) output.releaseSplit(split.splitId);
          isProgress = true;
          continue;
        }
        if (step === PAUSE) {
          if (split.pausesLeft === 0) continue;
          split.pausesLeft--;
          split.next++;
          isProgress = true;
          continue;
        }
        if (left-- <= 0) break;
        split.next++;
        this.#source.emitted++;
        isProgress = true;
        this.#outputOf(output, split.splitId).collect(step.value, step.timestamp);
      }
    }
    if (this.#splits.length === 0 && this.#noMoreSplits) return 'end';
    return left > 0 ? 'wait' : 'more';
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
      const script = this.#source.scripts[index] ?? [];
      const passed = script.slice(0, next).filter((step) => step === PAUSE).length;
      this.#splits.push({ index, splitId, next, pausesLeft: Math.max(0, this.#source.resumes - passed) });
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

/** Records with timestamps, from `[value, timestamp]` pairs. */
export function timed<T>(pairs: readonly (readonly [T, number])[]): ScriptedRecord<T>[] {
  return pairs.map(([value, timestamp]) => ({ value, timestamp }));
}
