export { CollectingSink } from '../../src/testing/index.js';
