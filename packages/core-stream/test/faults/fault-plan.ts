/** Where a job can be made to fail, and when it is. */
import type { CheckpointStorage, Source, SourceSplit } from '../../src/index.js';
import type { Random } from '../support/random.js';

export const faultPoints = ['map', 'snapshot', 'persist', 'notify', 'commit', 'restore', 'close'] as const;
export type FaultPoint = (typeof faultPoints)[number];

export class InjectedFault extends Error {}

/** How often a point is passed before it fails, at most: some are passed for each record, some once. */
const PASSES: Readonly<Record<FaultPoint, number>> = {
  map: 150,
  snapshot: 12,
  persist: 12,
  notify: 5,
  commit: 5,
  restore: 12,
  close: 6,
};

/** Lets one point fail at a time, after it was passed some times. */
export class FaultPlan {
  /** What has failed, in order: the schedule. */
  readonly log: string[] = [];
  readonly #random: Random;
  #left: number;
  #armed: { readonly point: FaultPoint; passes: number } | undefined;

  constructor(random: Random, faults: number) {
    this.#random = random;
    this.#left = faults;
    this.#arm();
  }

  /** Called at every point; fails when it is its turn. */
  readonly hit = (point: FaultPoint): void => {
    if (this.#armed?.point !== point || this.#armed.passes-- > 0) return;
    this.log.push(point);
    this.#arm();
    throw new InjectedFault(`injected: ${point}`);
  };

  #arm(): void {
    const point = faultPoints[this.#random.below(faultPoints.length)]!;
    this.#armed = this.#left-- > 0 ? { point, passes: this.#random.below(PASSES[point]) } : undefined;
  }
}

/** A storage that fails while it is written or read, before or after it has done its work. */
export function faultyStorage(
  storage: CheckpointStorage,
  hit: (point: FaultPoint) => void,
): CheckpointStorage {
  const around =
    <A extends unknown[], R>(point: FaultPoint, work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      hit(point);
      const result = await work(...args);
      hit(point);
      return result;
    };
  return {
    location: storage.location,
    claim(candidate) {
      hit('restore');
      return storage.claim(candidate);
    },
    release: () => storage.release?.() ?? Promise.resolve(),
    latest: around('restore', () => storage.latest()),
    list: () => storage.list(),
    read: around('restore', (id) => storage.read(id)),
    readSegment: around('restore', (id, range) => storage.readSegment(id, range)),
    putSegment: around('persist', (id, chunks) => storage.putSegment(id, chunks)),
    write: around('persist', (checkpoint) => storage.write(checkpoint)),
  };
}

/** A source whose readers fail when they are told of a checkpoint, and when they are closed. */
export function faultySource<T, SplitT extends SourceSplit, E>(
  source: Source<T, SplitT, E>,
  hit: (point: FaultPoint) => void,
): Source<T, SplitT, E> {
  return {
    boundedness: source.boundedness,
    createEnumerator: (context, restored) => source.createEnumerator(context, restored),
    createReader(context) {
      hit('restore');
      const reader = source.createReader(context);
      return {
        start: () => reader.start(),
        pollNext: (output, maxRecords) => reader.pollNext(output, maxRecords),
        isAvailable: () => reader.isAvailable(),
        addSplits: (splits) => reader.addSplits(splits),
        notifyNoMoreSplits: () => reader.notifyNoMoreSplits(),
        snapshotState(checkpointId) {
          hit('snapshot');
          return reader.snapshotState(checkpointId);
        },
        notifyCheckpointComplete(checkpointId) {
          hit('notify');
          reader.notifyCheckpointComplete?.(checkpointId);
        },
        async close() {
          await reader.close?.();
          hit('close');
        },
      };
    },
  };
}
