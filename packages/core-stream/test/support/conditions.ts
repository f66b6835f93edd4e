import { turn } from '../../src/testing/conditions.js';

export { drive, turn, until } from '../../src/testing/conditions.js';

/** Some turns, to show that something does not happen. */
export async function quiet(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

/** As `until`, where real files are written meanwhile: however many turns that takes; the test's own time-out ends it. */
export async function untilOnDisk(
  condition: () => boolean,
  each: () => void = () => undefined,
): Promise<void> {
  while (!condition()) {
    each();
    await turn();
  }
}

/** A promise that the test settles. */
export interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
  readonly fail: (error: Error) => void;
}

export function createGate(): Gate {
  let open: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  opened.catch(() => undefined);
  return { opened, open, fail };
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`rejected with ${String(error)}, which is no error`, { cause: error });
  }
  throw new Error('did not fail');
}
