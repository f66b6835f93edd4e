import type { ProvenMode } from './killed-runs.js';

/** Every mode that writes without Kafka; `undefined` is the option's default. */
export const provenModes: readonly ProvenMode[] = [
  {
    mode: 'append',
    outputs: ['append'],
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
    outputs: ['replace'],
    sink: {
      waitUntil: ['published', 'queryable'],
      inlineMaxBytes: [0, 2_000, undefined],
      maxSpoolFileBytes: [2_000, undefined],
    },
  },
];

export const kafkaMode: ProvenMode = {
  mode: 'kafka',
  outputs: ['kafka'],
  sink: {
    // Of what tasks have read a supervisor knows 15 s after its start: one run in five.
    waitUntil: ['queryable', 'queryable', 'submitted', 'submitted', 'published'],
    transport: [{ maxRecordBytes: 2_000 }, { maxRecordBytes: 1 }, { compression: 'gzip' }, {}],
  },
};

/** One stream into all that there is. */
export const everyOutput: ProvenMode = {
  mode: 'fan_out',
  outputs: ['append', 'replace', 'kafka', 'files'],
  sink: {},
};
