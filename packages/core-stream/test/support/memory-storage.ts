export { MemoryCheckpointStorage as MemoryStorage } from '../../src/testing/index.js';
