/** Where a job can be made to fail, and when it is. */
import type { CheckpointStorage, Source, SourceSplit } from '../../src/index.js';
import type { Random } from '../support/random.js';

export const faultPoints = [
  'map',
  'snapshot',
  'encode',
  'persist',
  'notify',
  'commit',
  'compact',
  'restore',
  'close',
] as const;
export type FaultPoint = (typeof faultPoints)[number];

export class InjectedFault extends Error {}

/** No plain data: the state that holds one cannot be encoded. */
export class InjectedValue {
  readonly isPlain = false;
}

/** Whether a job has failed because a fault was injected. */
export function isInjected(error: unknown): boolean {
  return /injected/i.test(String(error));
}

/** How often a point is passed before it fails, at most: some are passed for each record, some once. */
const PASSES: Readonly<Record<FaultPoint, number>> = {
  map: 60,
  snapshot: 12,
  encode: 30,
  persist: 12,
  notify: 5,
  commit: 5,
  compact: 3,
  restore: 12,
  close: 6,
};

/** Lets one point fail at a time, after it was passed some times. */
export class FaultPlan {
  /** What has failed, in order: the schedule. */
  readonly log: FaultPoint[] = [];
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
    if (this.isDue(point)) throw new InjectedFault(`injected: ${point}`);
  };

  /** As `hit`, where a fault is not something that is thrown. */
  readonly isDue = (point: FaultPoint): boolean => {
    if (this.#armed?.point !== point || this.#armed.passes-- > 0) return false;
    this.log.push(point);
    this.#arm();
    return true;
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
  /** Segments are read at a restore, and later to merge them. */
  let reading: FaultPoint = 'restore';
  return {
    location: storage.location,
    claim(candidate) {
      reading = 'restore';
      hit('restore');
      return storage.claim(candidate);
    },
    release: () => storage.release?.() ?? Promise.resolve(),
    latest: around('restore', () => storage.latest()),
    list: () => storage.list(),
    read: around('restore', (id) => storage.read(id)),
    readSegment: (id, range) => around(reading, () => storage.readSegment(id, range))(),
    putSegment: around('persist', (id, chunks) => {
      reading = 'compact';
      return storage.putSegment(id, chunks);
    }),
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
