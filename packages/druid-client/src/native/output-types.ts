import type { Int64Mode } from '../columns.js';
import type { SqlColumnKind, ValueOf } from '../sql-columns.js';

/** What a member of a result holds: as a declared column of SQL, or `any`, which is handed out as it came. */
export type OutputKind = Exclude<SqlColumnKind, 'json'> | 'any';

/** An {@link OutputKind}, and ` not null` where Druid never gives null. */
export type OutputType = OutputKind | `${OutputKind} not null`;

type Values<I extends Int64Mode> = ValueOf<I, 'ms'> & { any: unknown };

/** The value of a member of this type. */
export type OutputValue<O, I extends Int64Mode> = O extends `${infer Kind extends OutputKind} not null`
  ? Values<I>[Kind]
  : O extends OutputKind
    ? Values<I>[O] | null
    : unknown;

/** A member of a result, as the query determines it. */
export interface Output {
  readonly name: string;
  readonly type: OutputType;
}
