import { DruidSinkConfigError } from '../errors.js';
import type { DruidSchema } from '../schema/druid-schema.js';

declare const recordType: unique symbol;

/** Which records go to which datasource. Made by {@link druidRoutes}. */
export interface DruidRoutes<T> {
  readonly schemas: Readonly<Record<string, DruidSchema<never>>>;
  /** Names one of `schemas`. */
  readonly route: (record: T) => string;
  readonly [recordType]?: (record: T) => void;
}

/** Fields that can name a schema. */
type NamingField<T> = { [K in keyof T & string]: T[K] extends string ? K : never }[keyof T & string];

/** Schemas by name that each take the records which are routed to them. Only a literal type tells records apart. */
type RoutedBy<T, R, S> = R extends keyof T
  ? string extends T[R]
    ? { readonly [N in keyof S]: DruidSchema<T> }
    : { readonly [N in keyof S]: DruidSchema<Extract<T, Readonly<Record<R, N>>>> } & Readonly<
        Record<T[R] & string, unknown>
      >
  : { readonly [N in keyof S]: DruidSchema<T> };

/**
 * Describes how one stream is written into many datasources. `route` is a function that names one of `schemas`, each of which
 * takes every record; or it is the field whose text names the schema, which then takes only the records of that kind.
 *
 * @example
 * type Event = Flight | Delay; // told apart by `kind`
 * const events = druidRoutes<Event>()({ route: 'kind', schemas: { flight: flights, delay: delays } });
 * new DruidSink({ druid, schema: events, spoolDirectory });
 * @example
 * druidRoutes<Order>()({ route: ({ country }) => (country === 'US' ? 'us' : 'world'), schemas: { us, world } });
 * @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) where two schemas name one datasource
 */
export function druidRoutes<T extends object>() {
  return <
    const S extends Readonly<Record<string, DruidSchema<never>>>,
    const R extends NamingField<T> | ((record: T) => keyof S & string),
  >(input: {
    readonly route: R;
    readonly schemas: S & RoutedBy<T, R, S>;
  }): DruidRoutes<T> => {
    const { route } = input;
    const schemas: DruidRoutes<T>['schemas'] = input.schemas;
    requireDistinct(Object.values(schemas).map(({ dataSource }) => dataSource));
    return {
      schemas,
      route: typeof route === 'function' ? route : (record) => String(record[route as keyof T]),
    };
  };
}

/** @throws DruidSinkConfigError where a name is there twice, or none is there */
export function requireDistinct(dataSources: readonly string[]): void {
  const twice = dataSources.find((name, index) => dataSources.indexOf(name) !== index);
  if (twice === undefined && dataSources.length > 0) return;
  throw new DruidSinkConfigError(
    twice === undefined
      ? `Option 'schemas' names no datasource. Give one for each name that 'route' gives.`
      : `Datasource '${twice}' is named twice by one sink. Give each schema, and 'deadLetters', a datasource of its own.`,
    { details: { option: 'schemas', value: twice } },
  );
}
