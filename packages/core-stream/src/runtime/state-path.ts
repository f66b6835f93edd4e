import { StreamRecordError } from '../errors.js';
import { plainDescriber, type Describer } from './describe-value.js';

/** The error of `encodeState(state)`, with the place said as the program knows it. */
export function namingState(error: unknown, state: unknown, describer = plainDescriber): unknown {
  if (!(error instanceof StreamRecordError)) return error;
  const { path } = error.details;
  if (typeof path !== 'string') return error;
  const where = describeStatePath(state, path, describer);
  return new StreamRecordError(error.message.replace(`'${path}'`, where), { details: { path: where } });
}

/**
 * Says where in an operator's state a path leads, as its program knows it: `state 'wallets', key "ada", .balance` in place of
 * `state.own.state[0].keyGroups[3].entries[1][1].balance`. A path to anything but keyed state stays as it is.
 */
function describeStatePath(state: unknown, path: string, describer: Describer): string {
  const steps = [...path.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)];
  let at = state;
  let name: unknown;
  for (const [index, [, property, item]] of steps.entries()) {
    const step = property ?? item ?? '';
    if (step === 'entries' && steps[index + 2]?.[2] === '1' && name !== undefined) {
      const entry = childOf(childOf(at, step), steps[index + 1]?.[2] ?? '');
      const rest = steps.slice(index + 3).map(([text]) => text);
      return [`state '${String(name)}'`, `key ${describer.describeRecord(childOf(entry, '0'))}`, rest.join('')]
        .filter((part) => part !== '')
        .join(', ');
    }
    at = childOf(at, step);
    if (typeof at === 'object' && at !== null && 'kind' in at && 'name' in at) ({ name } = at);
  }
  return `'${path}'`;
}

function childOf(parent: unknown, step: string): unknown {
  return (parent as Readonly<Record<string, unknown>> | undefined)?.[step];
}
