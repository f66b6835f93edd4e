import { StreamRecordError } from '../errors.js';

/**
 * Whether a task has its turn. Outside of it nothing may be emitted: a record that comes from a promise belongs to no
 * checkpoint, and after the end to no stream.
 */
export class Turn {
  isOpen = false;
}

export function emittedOutside(): StreamRecordError {
  return new StreamRecordError(
    'A record was emitted after the function that was given the collector had returned. ' +
      'Functions emit before they return; for results that come later use AsyncDataStream.',
  );
}
