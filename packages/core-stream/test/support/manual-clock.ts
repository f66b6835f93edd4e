export { ManualClock } from '../../src/testing/index.js';
