export { ExternalSystem, TransactionalSink, type FaultPoint } from '../../src/testing/index.js';
