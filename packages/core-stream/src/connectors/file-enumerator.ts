/**
 * Finds files and hands their splits out, one per request.
 *
 * Invariants
 * 1. A split is pending here or in a reader's hands, never both, never neither.
 * 2. Bounded: the files are those of the first look, also after a restore. Watched: see `file-discovery`.
 */
import { StreamRecordError } from '../errors.js';
import { discover, nothingDiscovered, type Discovered } from './file-discovery.js';
import { listFiles, type IncludeFile } from './file-listing.js';
import { splitFile, type FileSplit, type ListedFile } from './file-split.js';
import type { SplitEnumerator, SplitEnumeratorContext } from './source.js';

export interface FileEnumeratorOptions {
  readonly paths: readonly string[];
  readonly include: IncludeFile;
  readonly splitBytes: number | undefined;
  /** How long to wait between two looks; `undefined`: look once. */
  readonly pollIntervalMs: number | undefined;
}

/** What a checkpoint stores of a file source besides what its readers have. */
export interface FileEnumeratorState {
  readonly pending: readonly FileSplit[];
  readonly hasListed: boolean;
  /** The files that were taken, while they are there; empty where nothing is watched. */
  readonly taken: readonly ListedFile[];
}

export class FileEnumerator implements SplitEnumerator<FileSplit, FileEnumeratorState> {
  readonly #context: SplitEnumeratorContext<FileSplit>;
  readonly #options: FileEnumeratorOptions;
  readonly #pending: FileSplit[];
  readonly #waiting = new Set<number>();
  #hasListed: boolean;
  #discovered: Discovered;

  constructor(
    context: SplitEnumeratorContext<FileSplit>,
    options: FileEnumeratorOptions,
    restored?: FileEnumeratorState,
  ) {
    this.#context = context;
    this.#options = options;
    this.#pending = [...(restored?.pending ?? [])];
    this.#hasListed = restored?.hasListed ?? false;
    this.#discovered = { ...nothingDiscovered, taken: restored?.taken ?? [] };
  }

  start(): void {
    const { paths, include, pollIntervalMs } = this.#options;
    if (pollIntervalMs === undefined && this.#hasListed) return; // invariant 2
    this.#context.callAsync(
      (signal) => listFiles(paths, include, signal),
      (files) => this.#onListed(files),
      pollIntervalMs === undefined ? {} : { periodMs: pollIntervalMs },
    );
  }

  #onListed(files: readonly ListedFile[]): void {
    this.#hasListed = true;
    if (this.#options.pollIntervalMs === undefined) this.#add(files);
    else {
      const discovery = discover(this.#discovered, files);
      const [first] = discovery.changed;
      if (first !== undefined) throw changedError(first.before, first.now);
      this.#discovered = { taken: discovery.taken, candidates: discovery.candidates };
      this.#add(discovery.fresh);
    }
    this.#serve();
  }

  #add(files: readonly ListedFile[]): void {
    for (const file of files) {
      for (const split of splitFile(file, this.#options.splitBytes)) this.#pending.push(split);
    }
  }

  handleSplitRequest(subtaskIndex: number): void {
    this.#waiting.add(subtaskIndex);
    this.#serve();
  }

  #serve(): void {
    for (const subtaskIndex of this.#waiting) {
      const split = this.#pending.shift();
      if (split !== undefined)
        this.#context.assignSplit(split, subtaskIndex); // invariant 1
      else if (this.#hasListed && this.#options.pollIntervalMs === undefined)
        this.#context.signalNoMoreSplits(subtaskIndex);
      else return;
      this.#waiting.delete(subtaskIndex);
    }
  }

  addSplitsBack(splits: readonly FileSplit[]): void {
    this.#pending.unshift(...splits);
  }

  snapshotState(): FileEnumeratorState {
    return { pending: this.#pending, hasListed: this.#hasListed, taken: this.#discovered.taken };
  }
}

function changedError(before: ListedFile, now: ListedFile): StreamRecordError {
  return new StreamRecordError(
    `${now.path} had ${before.size} bytes of ${new Date(before.mtimeMs).toISOString()} when it was taken, and now has ` +
      `${now.size} bytes of ${new Date(now.mtimeMs).toISOString()}. Files of a watched directory must stay as they are: ` +
      "write under a name that begins with '.', rename into place when complete, and give new data a new name.",
    { details: { path: now.path, listedSize: before.size, size: now.size } },
  );
}
