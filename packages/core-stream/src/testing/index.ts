export { drive, turn, until } from './conditions.js';
export { ManualClock } from './manual-clock.js';
export { CollectingSink } from './collecting-sink.js';
export type { CollectingSinkHooks } from './collecting-sink.js';
export { MemoryCheckpointStorage } from './memory-checkpoint-storage.js';
export { OneInputHarness, OperatorHarness, TwoInputHarness } from './operator-harness.js';
export type { HarnessOptions } from './operator-harness.js';
export type { HarnessSnapshot } from './direct-pipeline.js';
export type { HarnessElement, TimestampedValue } from './harness-output.js';
