export {
  PAUSE,
  ScriptedSource,
  timed,
  type ScriptedRecord,
  type ScriptStep,
} from '../../src/testing/index.js';
