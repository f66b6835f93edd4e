import { DruidSinkConfigError } from './errors.js';

/** @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) with the option, its value and what to do */
export function reject(option: string, value: string | number, next: string): never {
  throw new DruidSinkConfigError(`Option '${option}' of the Druid sink is ${value}: ${next}.`, {
    details: { option, value },
  });
}

/** @throws DruidSinkConfigError */
export function positive(
  option: string,
  value: number | undefined,
  fallback: number,
  min = Number.MIN_VALUE,
): number {
  if (value === undefined) return fallback;
  if (Number.isFinite(value) && value >= min) return value;
  return reject(option, value, min === 0 ? 'it must be 0 or more' : 'it must be a positive number');
}

/** @throws DruidSinkConfigError */
export function oneOf<V extends string>(option: string, value: V, values: readonly V[]): V {
  if (values.includes(value)) return value;
  return reject(option, `'${value}'`, `use ${values.map((each) => `'${each}'`).join(' or ')}`);
}

/** @throws DruidSinkConfigError unless it is a whole number, 1 or more */
export function whole(option: string, value: number | undefined, fallback: number): number {
  const number = positive(option, value, fallback);
  return Number.isSafeInteger(number)
    ? number
    : reject(option, number, 'it must be a whole number, 1 or more');
}
