/** What windows keep, as far as its schemas go: where the values of each are in the contents of a window. */
import type { SidedRecord } from '../functions/join-functions.js';
import type { StateSchema } from '../state/state-schema.js';
import type { TimestampedValue } from '../windows/evictor.js';
import type { KeptMigrations, KeptPart } from './kept-schemas.js';

type AnySchema = StateSchema<unknown> | undefined;

export interface WindowContents {
  readonly parts: readonly KeptPart[];
  /** Makes contents of the program of those that were restored. */
  migrate(contents: unknown, migrations: KeptMigrations): unknown;
}

/** One value: what a reduce has come to, or an accumulator. */
export function valueContents(schema: AnySchema): WindowContents {
  return { parts: [{ name: 'contents', schema }], migrate: (value, { contents }) => contents(value) };
}

/** All records of a window. */
export function recordContents(schema: AnySchema): WindowContents {
  return {
    parts: [{ name: 'contents', schema }],
    migrate: (records, { contents }) => (records as readonly unknown[]).map((record) => contents(record)),
  };
}

/** What windows of two inputs keep of each side. */
export interface Sides<L, R> {
  readonly left: L[];
  readonly right: R[];
}

export function sidedContents(left: AnySchema, right: AnySchema): WindowContents {
  return {
    parts: sidedParts(left, right),
    migrate(sides, migrations) {
      const { left, right } = sides as Sides<unknown, unknown>;
      return {
        left: left.map((value) => migrations.left(value)),
        right: right.map((value) => migrations.right(value)),
      };
    },
  };
}

/** All records of windows of two inputs. */
export function sidedRecordContents(left: AnySchema, right: AnySchema): WindowContents {
  return {
    parts: sidedParts(left, right),
    migrate: (records, migrations) =>
      (records as readonly SidedRecord<unknown, unknown>[]).map(({ side, value }) => {
        return { side, value: migrations[side](value) };
      }),
  };
}

/** Of windows with an evictor, which keep the time of each record. `records` is for the records. */
export function evictedContents(records: WindowContents): WindowContents {
  return {
    parts: records.parts,
    migrate(elements, migrations) {
      const old = elements as readonly TimestampedValue<unknown>[];
      const values = records.migrate(
        old.map(({ value }) => value),
        migrations,
      ) as readonly unknown[];
      return old.map(({ timestamp }, index) => ({ value: values[index], timestamp }));
    },
  };
}

function sidedParts(left: AnySchema, right: AnySchema): readonly KeptPart[] {
  return [
    { name: 'left', schema: left },
    { name: 'right', schema: right },
  ];
}
