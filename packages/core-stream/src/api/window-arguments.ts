/** What the functions of windows take besides themselves. */
import type { StateSchema } from '../state/state-schema.js';
import type { SchemaOptions } from '../state/state.js';

/** What `aggregate` of windows takes. */
export interface AggregateOptions<T, ACC> extends SchemaOptions<ACC> {
  /** The version of the records: for sliding count windows, which keep those in place of an accumulator. */
  readonly recordSchema?: StateSchema<T>;
}

/** A function for the result, then options; either may be left out. */
export type WindowArguments<P extends object, O extends object> =
  readonly [options?: O | undefined] | readonly [process: P, options?: O | undefined];

export function split<P extends object, O extends object>(
  more: WindowArguments<P, O>,
): readonly [process: P | undefined, options: O | undefined] {
  const [first, second] = more;
  if (first === undefined || (typeof first !== 'function' && !('process' in first))) {
    return [undefined, (second ?? first) as O | undefined];
  }
  return [first as P, second];
}
