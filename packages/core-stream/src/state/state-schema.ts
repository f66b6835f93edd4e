/**
 * The version of what a state holds, and how older versions become it.
 *
 * A checkpoint stores the version with the state. A program that declares a later one reads it through its migrations, once,
 * when the function asks for the state; a program that declares an earlier one is refused.
 */
import { CheckpointError, StreamConfigError } from '../errors.js';

/** What a state has that declares no schema. */
export const FIRST_VERSION = 1;

type Migration = (old: unknown) => unknown;

/**
 * Versions of a type, each made from the one before.
 *
 * @example
 * const cart = StateSchema.initial<{ items: string[] }>()
 *   .migrate((old) => ({ ...old, currency: 'EUR' })); // version 2
 * new ValueStateDescriptor('cart', { schema: cart }); // ValueState<{ items: string[]; currency: string }>
 */
export class StateSchema<T> {
  readonly version: number;
  /** The oldest version that can still be read. */
  readonly oldestVersion: number;
  /** From `oldestVersion` on. */
  readonly #migrations: readonly Migration[];
  /** Reads `T` back from the type only; never set. */
  declare readonly type?: T;

  private constructor(oldestVersion: number, migrations: readonly Migration[]) {
    this.oldestVersion = oldestVersion;
    this.version = oldestVersion + migrations.length;
    this.#migrations = migrations;
  }

  /** Version 1: also that of state which was stored before it had a schema. */
  static initial<T>(): StateSchema<T> {
    return new StateSchema<T>(FIRST_VERSION, []);
  }

  /**
   * A version whose predecessors need not be read any more: when no checkpoint has them.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` for what is not a version
   */
  static startingAt<T>(version: number): StateSchema<T> {
    if (!Number.isInteger(version) || version < FIRST_VERSION) {
      throw new StreamConfigError(
        `The version of a state schema is a whole number from ${FIRST_VERSION} on, got ${version}`,
      );
    }
    return new StateSchema<T>(version, []);
  }

  /** The next version. `migration` gets what the version before held, and may change and return it. */
  migrate<N>(migration: (old: T) => N): StateSchema<N> {
    return new StateSchema<N>(this.oldestVersion, [...this.#migrations, migration as Migration]);
  }

  /**
   * Takes a function that makes this version of version `from`.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where there is no way from there; `what` names the state in the message
   */
  migrationFrom(from: number, what: string): (old: unknown) => unknown {
    const details = { stored: from, program: this.version };
    if (from > this.version) {
      throw new CheckpointError(
        `${what} has version ${from} in the checkpoint, but version ${this.version} in the program, which is older. ` +
          'Start the newer program, or an older checkpoint.',
        { details },
      );
    }
    if (from < this.oldestVersion) {
      throw new CheckpointError(
        `${what} has version ${from} in the checkpoint, but the program reads versions from ${this.oldestVersion} on. ` +
          `Start a program that still migrates version ${from} first.`,
        { details },
      );
    }
    const migrations = this.#migrations.slice(from - this.oldestVersion);
    return (old) => {
      let value = old;
      for (const [index, migration] of migrations.entries()) {
        try {
          value = migration(value);
        } catch (error) {
          throw new CheckpointError(
            `${what} could not be migrated from version ${from + index} to ${from + index + 1}: ${String(error)}. Mend the migration and start again: the checkpoint is as it was.`,
            { cause: error, details },
          );
        }
      }
      return value;
    };
  }
}

/** The version of a state that may have no schema. */
export function versionOf(schema: StateSchema<unknown> | undefined): number {
  return schema?.version ?? FIRST_VERSION;
}

/** Why state of a version cannot be read; `undefined` where it can. */
export function whyNotFrom(
  schema: StateSchema<unknown> | undefined,
  from: number,
  what: string,
): CheckpointError | undefined {
  try {
    migrationOf(schema, from, what);
    return undefined;
  } catch (error) {
    return error as CheckpointError;
  }
}

/** As `StateSchema.migrationFrom`; `undefined` where the stored version is the program's. */
export function migrationOf(
  schema: StateSchema<unknown> | undefined,
  from: number,
  what: string,
): ((old: unknown) => unknown) | undefined {
  if (from === versionOf(schema)) return undefined;
  return (schema ?? StateSchema.initial<unknown>()).migrationFrom(from, what);
}
