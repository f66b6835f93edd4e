import type { ProvenMode } from './killed-runs.js';

/** Every mode that writes without Kafka. */
export const provenModes: readonly ProvenMode[] = [
  {
    mode: 'append',
    sink: {
      inlineMaxBytes: [0, 2_000, 65_536],
      waitUntil: ['queryable', 'published'],
      maxSpoolFileBytes: [5_000, 1_000_000],
    },
  },
];
