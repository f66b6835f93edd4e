import { sleep } from '@millrace/core-stream';
import { backOffMs } from './completeness.js';
import { checkColumns, type ColumnReading } from './druid-columns.js';
import type { QuestionTools, ScanSettings } from './scan-tools.js';
import { listColumns } from './segment-catalog.js';

/**
 * The SQL types of the columns to read. Waits for those that Druid does not know: with the last server of its segments a
 * datasource loses its columns for a while, and values that are read without a type are other values.
 *
 * @throws DruidSourceSchemaError for columns that stay unknown for `availabilityTimeoutMs`
 */
export async function awaitColumnTypes(
  readings: Readonly<Record<string, ColumnReading>>,
  { dataSource, policy }: Pick<ScanSettings, 'dataSource' | 'policy'>,
  { druid, clock, logger, signal }: QuestionTools,
): Promise<Map<string, string>> {
  const startedMs = clock.now();
  for (let attempt = 1; ; attempt++) {
    const sqlTypes = await listColumns(druid, dataSource, readings, signal);
    try {
      checkColumns(dataSource, readings, sqlTypes);
      return sqlTypes;
    } catch (error) {
      if (clock.now() - startedMs >= policy.availabilityTimeoutMs) throw error;
      logger.warn('Druid does not know the columns to read yet, trying again', {
        dataSource,
        attempt,
        cause: error instanceof Error ? error.message : undefined,
      });
    }
    await sleep(clock, backOffMs(attempt), signal);
  }
}
