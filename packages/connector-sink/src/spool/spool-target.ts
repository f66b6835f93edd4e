import { dataSchemaOf, type DataSchema } from '../commit/ingestion-spec.js';
import type { DruidSchema } from '../schema/druid-schema.js';
import { RowEncoder, type EncodedRow, type RejectedValue } from '../schema/row-encoder.js';
import type { Granularity } from '../schema/time-chunks.js';
import { deadLetterSchema, type DeadLetter, type DeadLetterOptions } from './dead-letters.js';
import { requireDistinct, type DruidRoutes } from './record-routes.js';

/** A datasource that a sink writes to. */
export class SpoolTarget {
  /** Its place among the sink's targets. */
  readonly index: number;
  readonly dataSchema: DataSchema;
  readonly segmentGranularity: Granularity;
  readonly #encoder: RowEncoder<never>;

  constructor(schema: DruidSchema<never>, commitIdColumn: string | null, index: number) {
    this.index = index;
    this.dataSchema = dataSchemaOf(schema, commitIdColumn);
    this.segmentGranularity = schema.segmentGranularity;
    this.#encoder = new RowEncoder(schema);
  }

  encode(record: unknown, row: EncodedRow): RejectedValue | undefined {
    return this.#encoder.encode(record as never, row);
  }
}

/** All datasources of a sink, and which record goes where. */
export class SpoolTargets<T> {
  readonly all: readonly SpoolTarget[];
  readonly deadLetters: SpoolTarget | undefined;
  /** Where every record goes; `undefined` where records are routed. */
  readonly only: SpoolTarget | undefined;
  readonly #byName = new Map<string, SpoolTarget>();
  readonly #route: (record: T) => string;

  /** @throws DruidSinkConfigError */
  constructor(
    schema: DruidSchema<T> | DruidRoutes<T>,
    options: { readonly commitIdColumn: string | null; readonly deadLetters?: DeadLetterOptions | undefined },
  ) {
    const targetOf = (each: DruidSchema<never>, index: number) =>
      new SpoolTarget(each, options.commitIdColumn, index);
    const schemas: readonly (readonly [string, DruidSchema<never>])[] = isRoutes(schema)
      ? Object.entries(schema.schemas)
      : [[schema.dataSource, schema]];
    const all = schemas.map(([name, each], index) => {
      const target = targetOf(each, index);
      this.#byName.set(name, target);
      return target;
    });
    this.only = isRoutes(schema) ? undefined : all[0];
    this.#route = isRoutes(schema) ? schema.route : () => '';
    if (options.deadLetters !== undefined) {
      const letters: DruidSchema<DeadLetter> = deadLetterSchema(options.deadLetters);
      all.push((this.deadLetters = targetOf(letters as DruidSchema<never>, all.length)));
    }
    this.all = all;
    requireDistinct(all.map(({ dataSchema }) => dataSchema.dataSource));
  }

  /** Where the record goes; what its route names where there is no such schema. */
  of(record: T): SpoolTarget | string {
    const name = this.#route(record);
    return this.#byName.get(name) ?? String(name); // a record may lack what its route is made of
  }
}

/** The schemas that records are written with. */
export function schemasOf<T>(schema: DruidSchema<T> | DruidRoutes<T>): readonly DruidSchema<never>[] {
  return isRoutes(schema) ? Object.values(schema.schemas) : [schema];
}

function isRoutes<T>(schema: DruidSchema<T> | DruidRoutes<T>): schema is DruidRoutes<T> {
  return 'schemas' in schema;
}
