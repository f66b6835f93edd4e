export { CollectingSink, type CollectingSinkHooks } from '../../src/testing/index.js';
