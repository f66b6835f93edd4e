/** A record of a script; without `timestamp` one whose source knows no event time. */
export interface ScriptedRecord<T> {
  readonly value: T;
  readonly timestamp?: number;
}

/** What a script can say besides records. */
export type ScriptCommand =
  | { readonly command: 'pause' | 'end' }
  | { readonly command: 'fail'; readonly times: number }
  | { readonly command: 'watermark'; readonly timestamp: number };

/** A record, or what happens between two of them. */
export type ScriptStep<T> = ScriptedRecord<T> | ScriptCommand;

/** Stops the split here until `resume()` is called once more. */
export const PAUSE: ScriptCommand = { command: 'pause' };

/** Ends the split here, also in an unbounded source. */
export const END: ScriptCommand = { command: 'end' };

/** The source throws a `ScriptedFailure` here the first time; a job that is started again with the same source passes. */
export const FAIL: ScriptCommand = { command: 'fail', times: 1 };

/** The same, the first `times` times. */
export function failTimes(times: number): ScriptCommand {
  return { command: 'fail', times };
}

/**
 * A watermark of the split, for a source that is used with the strategy `ScriptedSource.watermarks()`. Before the first
 * record that a reader emits of the split there is nobody to give it to: it follows that record.
 */
export function watermark(timestamp: number): ScriptCommand {
  return { command: 'watermark', timestamp };
}

/** Records with timestamps, from `[value, timestamp]` pairs. */
export function timed<T>(pairs: readonly (readonly [T, number])[]): ScriptedRecord<T>[] {
  return pairs.map(([value, timestamp]) => ({ value, timestamp }));
}

/** What a source throws where its script says so. */
export class ScriptedFailure extends Error {
  override readonly name = 'ScriptedFailure';
}
