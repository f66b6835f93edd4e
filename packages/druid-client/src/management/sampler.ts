import { z } from 'zod';
import { anyObject, optionalText } from './calls.js';

/** What {@link DruidTasks.sample} reads: the `spec` of a batch task, or of a supervisor. */
export interface SamplerSpec {
  /** `index` (with an `ioConfig` of that type), `kafka` or `kinesis`. */
  readonly type: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly samplerConfig?: Readonly<{ numRows?: number; timeoutMs?: number; [key: string]: unknown }>;
  readonly [key: string]: unknown;
}

const sampledRow = z.looseObject({
  input: anyObject.nullish(),
  parsed: anyObject.nullish(),
  unparseable: z.boolean().nullish(),
  error: optionalText,
});

/** An answer of `sampler`. */
export const sampledRows = z.looseObject({
  numRowsRead: z.number(),
  numRowsIndexed: z.number(),
  data: z.array(sampledRow),
});

/** The first rows of an input: `input` as they were read, `parsed` as they would be stored, or the `error`. */
export type SampledRows = z.output<typeof sampledRows>;
