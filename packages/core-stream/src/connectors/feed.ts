/** Something to read once, in order: no going back, and no splits. */
export interface Feed<T> {
  /**
   * Hands over at most `max` records that are there already. Throws the feed's failure, once everything that came before
   * it was handed over.
   */
  take(max: number): readonly T[];
  /** Nothing will come any more. Asked after `take`. */
  readonly hasEnded: boolean;
  /** Resolves when `take` makes sense again, for whatever reason. */
  isAvailable(): Promise<void>;
  /** Lets go of whatever is behind it. Called once, also after its end. */
  close(): void | Promise<void>;
}

/** Opens a feed after `position`: `undefined` at the first start, and where no positions are kept. */
export type OpenFeed<T, P> = (position: P | undefined, signal: AbortSignal) => Feed<T>;
