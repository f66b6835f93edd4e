import type { OnSchemaConflict } from './druid/datasource-check.js';
import { DruidSinkConfigError } from './errors.js';
import type { PreAggregateOptions } from './rollup/pre-aggregation.js';

/** What all modes have in common about rows. */
export interface RowOptions {
  /**
   * What becomes of a datasource whose columns have other types than the schema. Default `fail`: the job does not start.
   * `warn`: the difference is logged, and rows are written with the schema's types.
   */
  readonly schemaConflict?: OnSchemaConflict;
  /** Whether rows are rolled up before they leave the process. The schema must say `rollup`. Default false. */
  readonly preAggregate?: boolean | PreAggregateOptions;
}

/** @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) */
export function resolveSchemaConflict({ schemaConflict = 'fail' }: RowOptions): OnSchemaConflict {
  if (schemaConflict === 'fail' || schemaConflict === 'warn') return schemaConflict;
  throw new DruidSinkConfigError(
    `Option 'schemaConflict' of the Druid sink is '${String(schemaConflict)}': use 'fail' or 'warn'.`,
    { details: { option: 'schemaConflict', value: String(schemaConflict) } },
  );
}
