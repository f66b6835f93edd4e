import type { VirtualColumn } from '@millrace/druid-client';
import { isReadableAs, type ColumnReading } from './druid-columns.js';
import { DruidSourceConfigError } from './errors.js';

/** What Druid takes where a virtual column does not say what it yields, by its page "Virtual columns". */
const defaultTypes: Readonly<Record<string, string>> = {
  expression: 'FLOAT',
  'nested-field': 'STRING',
  'mv-filtered': 'STRING',
};

const sqlTypes: Readonly<Record<string, string>> = {
  STRING: 'VARCHAR',
  LONG: 'BIGINT',
  DOUBLE: 'DOUBLE',
  FLOAT: 'FLOAT',
};

/** SQL types of virtual columns by name; undefined for those that only Druid knows the type of. */
export function virtualTypes(columns: readonly VirtualColumn[]): Map<string, string | undefined> {
  return new Map(
    columns.map((column) => {
      const { type, name, outputName, outputType, expectedType } = column as Record<
        string,
        string | undefined
      >;
      const native = outputType ?? expectedType ?? defaultTypes[type ?? ''];
      return [name ?? outputName ?? '', native && (sqlTypes[native] ?? native.replace(/<.*/, ''))];
    }),
  );
}

/** @throws DruidSourceConfigError for names that cannot be, and for columns that are read as another type than they have */
export function checkVirtualColumns(
  columns: readonly VirtualColumn[],
  readings: Readonly<Record<string, ColumnReading>>,
): void {
  const types = virtualTypes(columns);
  if (types.has('') || types.has('__time') || types.size < columns.length) {
    throw invalid(
      'virtualColumns',
      'needs names, each once, and none of them __time, which Druid keeps for itself',
    );
  }
  for (const [name, sqlType] of types) {
    const reading = Object.hasOwn(readings, name) ? readings[name] : undefined;
    if (reading === undefined || sqlType === undefined || isReadableAs(reading, sqlType)) continue;
    throw invalid(`columns.${name}`, `is '${reading}', but the virtual column of that name is ${sqlType}`);
  }
}

function invalid(option: string, problem: string): DruidSourceConfigError {
  return new DruidSourceConfigError(`DruidSource option '${option}' ${problem}.`, { details: { option } });
}
