import { StreamConfigError } from '../errors.js';

/** Refuses what is no function while the program is built, for programs without types. */
export function requireFunction<F>(method: string, given: F): F {
  if (typeof given === 'function') return given;
  throw new StreamConfigError(`${method}(…) needs a function, got ${String(given)}`);
}

/** The same for what makes a function per subtask: an object or a class is a likely mistake. */
export function requireFactory<F>(method: string, given: F): F {
  if (typeof given === 'function' && !isClass(given)) return given;
  const seen = typeof given === 'function' ? `the class ${given.name}` : `${typeof given} ${String(given)}`;
  throw new StreamConfigError(
    `${method}(…) needs a factory that makes the function of one subtask, got ${seen}. Write ${method}(() => …).`,
  );
}

function isClass(given: object): boolean {
  return Function.prototype.toString.call(given).startsWith('class');
}
