import type { SinkWriter } from '@millrace/core-stream';
import { describe, expect, it } from 'vitest';
import { druidRoutes, druidSchema, DruidSink, type DruidSchema } from '../../src/index.js';
import { PartialRow } from '../../src/rollup/partial-rows.js';
import { preAggregation } from '../../src/rollup/pre-aggregation.js';
import type { DruidRoutes } from '../../src/spool/record-routes.js';

interface Visit {
  at: number;
  page: string;
}

const schemaOf = (dataSource: string, rollup = true) =>
  druidSchema<Visit>()({
    dataSource,
    timestamp: 'at',
    dimensions: { page: 'string' },
    metrics: { visits: { type: 'count' } },
    rollup,
    queryGranularity: 'day',
    segmentGranularity: 'day',
  });

const noTime = { timestamp: undefined, currentWatermark: -Infinity };

/** Notes the calls that it gets. */
function notingWriter() {
  const calls: unknown[] = [];
  const writer: SinkWriter<Visit> = {
    write: (value: unknown) => calls.push(value instanceof PartialRow ? [value.key, value.values[0]] : value),
    writeWatermark: (watermark) => calls.push(watermark),
    flush: (endOfInput) => void calls.push(endOfInput ? 'end' : 'flush'),
    prepareCommit: (id) => [`commit ${id}`],
    snapshotState: (id) => [`state ${id}`],
    close: () => void calls.push('close'),
  };
  return { calls, writer };
}

function wrapped(
  schema: DruidSchema<Visit> | DruidRoutes<Visit>,
  preAggregate: true | { maxRows: number } = true,
) {
  const { calls, writer } = notingWriter();
  const aggregation = preAggregation<Visit, { schema: typeof schema; preAggregate: typeof preAggregate }>({
    schema,
    preAggregate,
  });
  return { calls, aggregation: aggregation!, writer: aggregation!.wrap(writer) };
}

describe('a writer behind a roll-up', () => {
  it('gets the partial rows before a barrier, and nothing is left (invariant 1)', async () => {
    const { calls, writer } = wrapped(schemaOf('visits'));
    for (const page of ['a', 'b', 'a']) writer.write({ at: 1, page }, noTime);
    expect(calls).toEqual([]);
    await writer.flush(false);
    await writer.flush(true);
    expect(calls).toEqual([['{"__time":0,"page":"a"', 2], ['{"__time":0,"page":"b"', 1], 'flush', 'end']);
    expect(await writer.prepareCommit?.(7, false)).toEqual(['commit 7']);
    expect(writer.snapshotState?.(7)).toEqual(['state 7']);
  });

  it('gets all of them when there are too many (invariant 2)', () => {
    const { calls, writer } = wrapped(schemaOf('visits'), { maxRows: 2 });
    for (const page of ['a', 'a', 'b', 'c', 'c']) writer.write({ at: 1, page }, noTime);
    expect(calls).toEqual([
      ['{"__time":0,"page":"a"', 2],
      ['{"__time":0,"page":"b"', 1],
    ]);
  });

  it('gets them before event time goes on (invariant 3)', () => {
    const { calls, writer } = wrapped(schemaOf('visits'));
    writer.write({ at: 1, page: 'a' }, noTime);
    writer.writeWatermark?.(5);
    expect(calls).toEqual([['{"__time":0,"page":"a"', 1], 5]);
  });

  it('gets records that are no rows as they are, and at once', () => {
    const { calls, writer } = wrapped(schemaOf('visits'));
    const bad = { at: Number.NaN, page: 'a' };
    writer.write(bad, noTime);
    expect(calls).toEqual([bad]);
  });

  it('gets the rows of every route that rolls up, and the records of the others', async () => {
    const routes = druidRoutes<Visit>()({
      route: ({ page }) => (page === 'x' ? 'plain' : 'summed'),
      schemas: { summed: schemaOf('summed'), plain: schemaOf('plain', false) },
    });
    const { calls, aggregation, writer } = wrapped(routes);
    for (const page of ['a', 'x', 'a']) writer.write({ at: 1, page }, noTime);
    await writer.flush(false);
    expect(calls).toEqual([{ at: 1, page: 'x' }, ['{"__time":0,"page":"a"', 2], 'flush']);
    const inner = aggregation.options.schema as DruidRoutes<Visit>;
    expect(inner.route(new PartialRow('summed', '', 0, []) as never)).toBe('summed');
    expect(inner.route({ at: 1, page: 'x' })).toBe('plain');
  });

  it('is refused with options that do not go with it', () => {
    const options = {
      druid: { url: 'http://localhost:1' },
      schema: schemaOf('visits'),
      spoolDirectory: '/x',
    };
    expect(() => new DruidSink({ ...options, preAggregate: { maxRows: 0 } })).toThrow(
      "Option 'preAggregate.maxRows' of the Druid sink is 0",
    );
    expect(
      () => new DruidSink({ ...options, mode: 'replace', preAggregate: true, onLateRow: () => undefined }),
    ).toThrow("Option 'onLateRow' of the Druid sink is a function");
    expect(
      () => new DruidSink({ ...options, schema: schemaOf('visits', false), preAggregate: true }),
    ).toThrow('rollup: true');
    expect(() => new DruidSink({ ...options, schemaConflict: 'ignore' as 'warn' })).toThrow(
      "Option 'schemaConflict' of the Druid sink is 'ignore'",
    );
  });
});
