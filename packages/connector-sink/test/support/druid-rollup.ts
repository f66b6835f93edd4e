import type { DruidSchema } from '../../src/schema/druid-schema.js';
import { chunkOf } from '../../src/schema/time-chunks.js';

export type Values = Readonly<Record<string, unknown>>;

/** What Druid makes of rows with roll-up, the slow way: one object for each time and set of dimensions, in order. */
export function druidRollup<T>(schema: DruidSchema<T>, rows: readonly Values[]): Values[] {
  const groups = new Map<string, { at: number; dimensions: unknown[]; rows: Values[] }>();
  for (const row of rows) {
    const time = row[schema.timestampField] as number;
    const at = schema.queryGranularity === 'none' ? time : chunkOf(schema.queryGranularity, time).start;
    const dimensions = schema.dimensions.map(({ name }) => row[name] ?? null);
    const key = JSON.stringify([at, dimensions], (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    const group = groups.get(key) ?? { at, dimensions, rows: [] };
    groups.set(key, group);
    group.rows.push(row);
  }
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => ({
      at: group.at,
      dimensions: group.dimensions,
      ...Object.fromEntries(
        schema.metrics.map(({ name, spec }) => [
          name,
          spec.type === 'count'
            ? BigInt(group.rows.length)
            : aggregate(
                spec.type,
                group.rows
                  .map((row) => row[spec.field] ?? null)
                  .filter((value) => value !== null) as number[],
              ),
        ]),
      ),
    }));
}

function aggregate(type: string, values: readonly (number | bigint)[]): unknown {
  if (values.length === 0) return null;
  if (type.startsWith('long')) {
    const longs = values.map(BigInt);
    if (type === 'longSum')
      return BigInt.asIntN(
        64,
        longs.reduce((a, b) => a + b),
      );
    return longs.reduce((a, b) => (type === 'longMin' ? (b < a ? b : a) : b > a ? b : a));
  }
  const numbers = values.map(Number);
  if (type.endsWith('Sum'))
    return numbers.reduce((a, b) => (type === 'floatSum' ? Math.fround(a + b) : a + b));
  return type.endsWith('Min') ? Math.min(...numbers) : Math.max(...numbers);
}
