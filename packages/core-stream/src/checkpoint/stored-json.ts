import { CheckpointError } from '../errors.js';
import type { BlobStore } from './blob-store.js';

/** How the small objects that people read, too, are put. */
export function jsonChunks(value: object): readonly Uint8Array[] {
  return [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)];
}

/**
 * `undefined` where it is not there. `says` is what is lost with it, for the message.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where it is no JSON, or has not all of `fields`
 */
export async function readJson<T extends object>(
  store: BlobStore,
  name: string,
  fields: readonly (keyof T)[],
  says: string,
): Promise<T | undefined> {
  const bytes = await store.get(name);
  if (bytes === undefined) return undefined;
  let value: unknown;
  let cause: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    cause = error;
  }
  const isWhole =
    typeof value === 'object' && value !== null && fields.every((field) => Object.hasOwn(value, field));
  if (isWhole) return value as T;
  throw new CheckpointError(
    `${store.location}/${name} cannot be read: ${cause === undefined ? 'parts of it are missing' : 'it is not JSON'}. ` +
      `It says ${says}. Restore it from a copy.`,
    { cause, details: { location: store.location, name } },
  );
}
