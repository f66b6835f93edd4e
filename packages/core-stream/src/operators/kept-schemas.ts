/**
 * The schemas of what an operator keeps in rows of its own: contents of windows, buffers of joins.
 *
 * Role: holds the versions that were restored against those of the program. Boundary: where the values are, and how they are
 * exchanged, is the operator's business.
 *
 * Invariants
 * 1. All subtasks of a run keep one version: what has another one is migrated before the first record.
 * 2. Nothing is migrated while a start is being compared (`SubtaskStates.change`).
 */
import type { StateSchemaInfo } from '../checkpoint/checkpoint-data.js';
import { CheckpointError } from '../errors.js';
import {
  FIRST_VERSION,
  migrationOf,
  versionOf,
  whyNotFrom,
  type StateSchema,
} from '../state/state-schema.js';
import type { OperatorContext } from './operator.js';

/** One kind of value that is kept: all that a window has, or one side of a join. */
export interface KeptPart {
  readonly name: 'contents' | 'left' | 'right';
  /** Version 1 where it is left out. */
  readonly schema: StateSchema<unknown> | undefined;
}

/** By the name of the part. */
export type KeptVersions = Readonly<Partial<Record<KeptPart['name'], number>>>;

/** Make values of the program of those that were restored, by the name of the part. */
export type KeptMigrations = Readonly<Record<KeptPart['name'], (old: unknown) => unknown>>;

export class KeptSchemas {
  readonly #kind: 'window' | 'join';
  readonly #parts: readonly KeptPart[];
  readonly #restored: KeptVersions | undefined;
  /** What the operator stores of it. */
  readonly versions: KeptVersions;

  /**
   * `restored` is what the subtasks have stored; `undefined` for nothing but version 1.
   *
   * @throws CheckpointError where a version cannot be read, except while a start is being compared
   */
  constructor(
    kind: 'window' | 'join',
    parts: readonly KeptPart[],
    { states }: Pick<OperatorContext, 'states'>,
    restored: readonly (KeptVersions | undefined)[],
  ) {
    this.#kind = kind;
    this.#parts = parts;
    this.#restored = restored.length === 0 ? undefined : (restored[0] ?? {}); // invariant 1
    this.versions = Object.fromEntries(parts.map(({ name, schema }) => [name, versionOf(schema)]));
    const infos = parts.map(({ name, schema }): StateSchemaInfo => {
      return { name, kind, hasTtl: false, version: versionOf(schema) };
    });
    states.register(() => infos);
    for (const info of infos) states.asks(info);
    const stored = Object.keys(this.#restored ?? {}).join(' and ');
    const names = parts.map(({ name }) => name).join(' and ');
    if (stored !== '' && stored !== names) {
      const message =
        `What is kept has the parts ${stored} in the checkpoint, but ${names} in the program: it is of another kind of operator. ` +
        'Give the new operator a uid of its own.';
      states.differs(new CheckpointError(message, { details: { stored, program: names } }));
      return;
    }
    for (const part of parts) {
      const difference = whyNotFrom(part.schema, this.#from(part), this.#what(part));
      if (difference !== undefined) states.differs(difference);
    }
  }

  /** Whether what was restored has another version than the program. */
  get isChanged(): boolean {
    return this.#parts.some((part) => this.#from(part) !== versionOf(part.schema));
  }

  /** To be asked for when the job starts (invariant 2). */
  migrations(): KeptMigrations {
    const all: Record<KeptPart['name'], (old: unknown) => unknown> = {
      contents: same,
      left: same,
      right: same,
    };
    for (const part of this.#parts) {
      all[part.name] = migrationOf(part.schema, this.#from(part), this.#what(part)) ?? same;
    }
    return all;
  }

  #from({ name, schema }: KeptPart): number {
    return this.#restored === undefined ? versionOf(schema) : (this.#restored[name] ?? FIRST_VERSION);
  }

  #what({ name }: KeptPart): string {
    const all = this.#kind === 'window' ? 'What its windows keep' : 'What it keeps';
    return name === 'contents' ? all : `${all} of the ${name} side`;
  }
}

const same = (value: unknown): unknown => value;
