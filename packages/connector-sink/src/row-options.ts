import type { OnSchemaConflict } from './druid/datasource-check.js';
import { DruidSinkConfigError } from './errors.js';
import { reject } from './option-checks.js';
import type { PreAggregateOptions } from './rollup/pre-aggregation.js';
import type { DruidSchema } from './schema/druid-schema.js';
import { deadLetterSchema, type DeadLetterOptions } from './spool/dead-letters.js';
import type { DruidRoutes } from './spool/record-routes.js';
import { schemasOf } from './spool/spool-target.js';

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

/** Where rows get their commit id. */
interface CommitIdOptions<T> {
  readonly schema: DruidSchema<T> | DruidRoutes<T>;
  readonly commitIdColumn?: string | false;
  readonly deadLetters?: DeadLetterOptions;
}

/**
 * The commit id's column; `null` for none. It would hide a field of that name, of those too that only metrics read.
 * @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`)
 */
export function resolveCommitIdColumn<T>(options: CommitIdOptions<T>): string | null {
  const { schema, commitIdColumn = '__commit_id', deadLetters } = options;
  if (commitIdColumn === false) return null;
  const letters = deadLetters === undefined ? [] : deadLetterSchema(deadLetters).dimensions;
  const columns = schemasOf(schema).flatMap(({ dimensions, metrics }) => [...dimensions, ...metrics]);
  const fields = columns.map((column) =>
    'spec' in column && column.spec.type !== 'count' ? column.spec.field : undefined,
  );
  const taken = ['', '__time', ...[...columns, ...letters].map(({ name }) => name), ...fields];
  if (!taken.includes(commitIdColumn)) return commitIdColumn;
  return reject(
    'commitIdColumn',
    `'${commitIdColumn}'`,
    'choose a name that the schema does not use, or false',
  );
}
