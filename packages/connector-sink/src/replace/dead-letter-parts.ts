/**
 * Puts dead letters beside the chunks of one sink: they are appended to a datasource of their own, and are part of the same
 * checkpoints. What is of chunks has a `kind`, what is of dead letters has none.
 */
import type {
  CommitRequest,
  Committer,
  CommitterContext,
  SinkWriteContext,
  SinkWriter,
  SinkWriterContext,
} from '@millrace/core-stream';
import type { SpoolCommittable } from '../commit/committable.js';
import type { OpenSpoolFile } from '../spool/open-rows.js';
import type { ReplaceCommittable, ReplaceWriterState } from './chunk-committable.js';

export type MixedCommittable = ReplaceCommittable | SpoolCommittable;
export type MixedState = ReplaceWriterState | OpenSpoolFile;

/** The same sink's, with a directory and metrics of its own. */
export function deadLetterContext<C extends CommitterContext | SinkWriterContext>(context: C): C {
  const metrics = context.metrics.addGroup('deadLetters');
  return { ...context, operatorUid: `${context.operatorUid}-dead-letters`, metrics };
}

function isOfChunks<E extends MixedCommittable | MixedState>(
  each: E,
): each is Extract<E, { readonly kind: string }> {
  return 'kind' in each;
}

/** States of chunks' writers, of all subtasks. */
export function statesOfChunks(states: readonly MixedState[]): readonly ReplaceWriterState[] {
  return states.filter((state) => isOfChunks(state));
}

/** States of dead letters' writers, of all subtasks, shared out. */
export function shareOfLetters(
  states: readonly MixedState[],
  { subtaskIndex, parallelism }: SinkWriterContext,
): readonly OpenSpoolFile[] {
  return states
    .filter((state): state is OpenSpoolFile => !isOfChunks(state))
    .filter((_, index) => index % parallelism === subtaskIndex);
}

export class WriterWithLetters<T> implements SinkWriter<T, MixedCommittable, MixedState> {
  readonly #chunks: SinkWriter<T, ReplaceCommittable, ReplaceWriterState>;
  readonly #letters: SinkWriter<never, SpoolCommittable, OpenSpoolFile>;

  constructor(
    chunks: SinkWriter<T, ReplaceCommittable, ReplaceWriterState>,
    letters: SinkWriter<never, SpoolCommittable, OpenSpoolFile>,
  ) {
    this.#chunks = chunks;
    this.#letters = letters;
  }

  write(value: T, context: SinkWriteContext): void {
    this.#chunks.write(value, context);
  }

  writeWatermark(watermark: number): void {
    this.#chunks.writeWatermark?.(watermark);
  }

  backPressure(): Promise<void> | undefined {
    return this.#chunks.backPressure?.() ?? this.#letters.backPressure?.();
  }

  async flush(endOfInput: boolean): Promise<void> {
    await this.#chunks.flush(endOfInput);
    await this.#letters.flush(endOfInput);
  }

  async prepareCommit(checkpointId: number, isSavepoint: boolean): Promise<readonly MixedCommittable[]> {
    const chunks = (await this.#chunks.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
    const letters = (await this.#letters.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
    return [...chunks, ...letters];
  }

  snapshotState(checkpointId: number): readonly MixedState[] {
    const chunks = this.#chunks.snapshotState?.(checkpointId) ?? [];
    return [...chunks, ...(this.#letters.snapshotState?.(checkpointId) ?? [])];
  }

  async close(): Promise<void> {
    try {
      await this.#chunks.close();
    } finally {
      await this.#letters.close();
    }
  }
}

export class CommitterWithLetters implements Committer<MixedCommittable, MixedState> {
  readonly #chunks: Committer<ReplaceCommittable, ReplaceWriterState>;
  readonly #letters: Committer<SpoolCommittable, OpenSpoolFile>;

  constructor(
    chunks: Committer<ReplaceCommittable, ReplaceWriterState>,
    letters: Committer<SpoolCommittable, OpenSpoolFile>,
  ) {
    this.#chunks = chunks;
    this.#letters = letters;
  }

  async recover(
    pending: readonly CommitRequest<MixedCommittable>[],
    states: readonly MixedState[],
  ): Promise<void> {
    const { chunks, letters } = divided(pending);
    await this.#chunks.recover?.(chunks, statesOfChunks(states));
    await this.#letters.recover?.(
      letters,
      states.filter((state): state is OpenSpoolFile => !isOfChunks(state)),
    );
  }

  async commit(requests: readonly CommitRequest<MixedCommittable>[]): Promise<void> {
    const { chunks, letters } = divided(requests);
    const commits = await Promise.allSettled([this.#chunks.commit(chunks), this.#letters.commit(letters)]);
    for (const commit of commits) if (commit.status === 'rejected') throw commit.reason;
  }

  async close(): Promise<void> {
    try {
      await this.#chunks.close?.();
    } finally {
      await this.#letters.close?.();
    }
  }
}

function divided(requests: readonly CommitRequest<MixedCommittable>[]) {
  return {
    chunks: requests.filter((request): request is CommitRequest<ReplaceCommittable> =>
      isOfChunks(request.committable),
    ),
    letters: requests.filter(
      (request): request is CommitRequest<SpoolCommittable> => !isOfChunks(request.committable),
    ),
  };
}
