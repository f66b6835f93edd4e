import type { ProvenMode } from './killed-runs.js';

/** Every mode that writes without Kafka; `undefined` is the option's default. */
export const provenModes: readonly ProvenMode[] = [
  {
    mode: 'append',
    sink: {
      waitUntil: ['submitted', 'published', 'queryable'],
      inlineMaxBytes: [0, 2_000, undefined],
      maxSpoolFileBytes: [5_000, undefined],
      minCommitRows: [undefined, 400],
      compression: ['none', 'gzip'],
    },
  },
  {
    mode: 'replace',
    sink: {
      waitUntil: ['published', 'queryable'],
      inlineMaxBytes: [0, 2_000, undefined],
      maxSpoolFileBytes: [2_000, undefined],
      // Late rows come an hour too late.
      retainChunksMs: [7_200_000],
    },
  },
];
