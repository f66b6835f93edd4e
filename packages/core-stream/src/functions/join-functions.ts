import type { Collector, OutputTag } from './functions.js';

/**
 * Which records without a match a join emits too: those of neither side, of the left, of the right or of both. In place of
 * the missing record there is `undefined`.
 */
export type JoinType = 'inner' | 'left' | 'right' | 'full';

/** What a join of type `J` gives as the left record. */
export type JoinedLeft<L, J extends JoinType> = J extends 'right' | 'full' ? L | undefined : L;
/** What a join of type `J` gives as the right record. */
export type JoinedRight<R, J extends JoinType> = J extends 'left' | 'full' ? R | undefined : R;

/** A record of a join in windows, as triggers, evictors and late outputs see it. */
export type SidedRecord<L, R> =
  { readonly side: 'left'; readonly value: L } | { readonly side: 'right'; readonly value: R };

/** One result per pair. */
export type JoinFunction<L, R, Out> = (left: L, right: R) => Out;
/** Any number of results per pair. */
export type FlatJoinFunction<L, R, Out> = (left: L, right: R, out: Collector<Out>) => void;
/** Called once per key and window with the window's records of both sides, one of which may be empty: read them while the call lasts. */
export type CoGroupFunction<L, R, Out> = (
  left: readonly L[],
  right: readonly R[],
  out: Collector<Out>,
) => void;

/** One object is reused for all pairs: read it while the call lasts. */
export interface JoinContext {
  /** `undefined` where there is no left record. */
  readonly leftTimestamp: number | undefined;
  /** `undefined` where there is no right record. */
  readonly rightTimestamp: number | undefined;
  /** The timestamp that results get. */
  readonly timestamp: number;
  output<S>(tag: OutputTag<S>, value: S): void;
}

/** Called once per pair; emits any number of results, also to side outputs. */
export type ProcessJoinFunction<L, R, Out> = (
  left: L,
  right: R,
  context: JoinContext,
  out: Collector<Out>,
) => void;
