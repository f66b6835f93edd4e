/** Windows whose contents have a version: each restore is of a program with the next one, which reads no other. */
import {
  StateSchema,
  type AggregateFunction,
  type DataStream,
  type SchemaOptions,
  type WindowedStream,
} from '../../src/index.js';
import type { FunctionKind } from './window-scenario.js';
import type { Emitted, Reading } from './window-oracle.js';

interface Versioned {
  readonly version: number;
}

export type VersionedReading = Reading & Versioned;

type Values = Versioned & { readonly values: readonly number[] };

/** Each migration is given what the version before has, once. */
function schemaOf<T extends Versioned>(version: number): StateSchema<T> {
  let schema = StateSchema.initial<T>();
  for (let from = 1; from < version; from++) {
    schema = schema.migrate((old) => ({ ...checked(old, from), version: from + 1 }));
  }
  return schema;
}

function checked<T extends Versioned>(value: T, version: number): T {
  if (value.version === version) return value;
  throw new TypeError(`version ${version} is given ${JSON.stringify(value)}`);
}

export function emittingVersioned(
  windowed: WindowedStream<Reading, string>,
  kind: FunctionKind,
  version: number,
): DataStream<Emitted> {
  const valueOf = (reading: Reading) => checked(reading as VersionedReading, version).value;
  const valuesOf = (reading: Reading): readonly number[] =>
    (checked(reading as VersionedReading, version) as Partial<Values>).values ?? [reading.value];
  const options = { schema: schemaOf<VersionedReading>(version) } as SchemaOptions<Reading>;
  switch (kind) {
    case 'process':
      return windowed.process<Emitted>(
        (key, { window: { start, end } }, elements, out) =>
          out.collect({ key, start, end, values: [...elements].map(valueOf) }),
        options,
      );
    case 'reduce':
      return windowed.reduce<Emitted>(
        (a, b) => ({ ...a, values: [...valuesOf(a), ...valuesOf(b)] }),
        (key, { window: { start, end } }, [reading], out) =>
          out.collect({ key, start, end, values: valuesOf(reading!) }),
        options,
      );
    case 'aggregate':
    case 'primitive aggregate': {
      const values: AggregateFunction<Reading, Values, readonly number[]> = {
        createAccumulator: () => ({ version, values: [] }),
        add: (reading, all) => ({
          version,
          values: [...checked(all, version).values, valueOf(reading)],
        }),
        getResult: (all) => checked(all, version).values,
        merge: (a, b) => ({
          version,
          values: [...checked(a, version).values, ...checked(b, version).values],
        }),
        sharesPanes: kind === 'primitive aggregate',
      };
      return windowed.aggregate<Values, readonly number[], Emitted>(
        values,
        (key, { window: { start, end } }, [all], out) => out.collect({ key, start, end, values: all! }),
        { schema: schemaOf<Values>(version) },
      );
    }
  }
}
