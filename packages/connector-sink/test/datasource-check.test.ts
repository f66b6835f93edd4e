import { systemClock } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { describe, expect, it } from 'vitest';
import { dataSchemaOf } from '../src/commit/ingestion-spec.js';
import { checkDatasource, columnConflicts, expectedColumnTypes } from '../src/druid/datasource-check.js';
import { druidSchema } from '../src/schema/druid-schema.js';

interface Visit {
  at: number;
  page: string;
  tags: string[];
  words: string[];
  counts: number[];
  detail: { a: number };
  ms: number;
}

const expected = expectedColumnTypes(
  dataSchemaOf(
    druidSchema<Visit>()({
      dataSource: 'visits',
      timestamp: 'at',
      dimensions: {
        page: 'string',
        tags: 'string[]',
        words: 'array<string>',
        counts: 'array<long>',
        detail: 'json',
        ms: 'float',
      },
      metrics: {
        visits: { type: 'count' },
        ms_sum: { type: 'doubleSum', field: 'ms' },
        pages: { type: 'thetaSketch', field: 'page' },
      },
      segmentGranularity: 'day',
    }),
    '__commit_id',
  ),
);

const conflictsWith = (found: Record<string, string>) =>
  columnConflicts(expected, new Map(Object.entries(found)));

describe('the comparison of a schema with its datasource', () => {
  it('expects the types that Druid gives the columns', () => {
    expect(Object.fromEntries(expected)).toEqual({
      page: 'VARCHAR',
      tags: 'VARCHAR',
      words: 'ARRAY<STRING>',
      counts: 'ARRAY<LONG>',
      detail: 'COMPLEX<json>',
      ms: 'FLOAT',
      __commit_id: 'VARCHAR',
      visits: 'BIGINT',
      ms_sum: 'DOUBLE',
      pages: 'COMPLEX',
    });
  });

  it('finds no conflict in what it cannot know, nor in columns that one side lacks', () => {
    expect(conflictsWith({ other: 'DOUBLE', counts: 'ARRAY', pages: 'COMPLEX<thetaSketch>' })).toEqual([]);
  });

  it('tells other elements, other kinds and sketches that are none apart', () => {
    expect(
      conflictsWith({ words: 'ARRAY<LONG>', tags: 'ARRAY<STRING>', detail: 'VARCHAR', pages: 'VARCHAR' }),
    ).toEqual([
      { column: 'tags', expected: 'VARCHAR', found: 'ARRAY<STRING>' },
      { column: 'words', expected: 'ARRAY<STRING>', found: 'ARRAY<LONG>' },
      { column: 'detail', expected: 'COMPLEX<json>', found: 'VARCHAR' },
      { column: 'pages', expected: 'COMPLEX', found: 'VARCHAR' },
    ]);
  });
});

describe('a JSON column that shows as text', () => {
  const schema = dataSchemaOf(
    druidSchema<{ at: number; detail: { a: number } | null }>()({
      dataSource: 'visits',
      timestamp: 'at',
      dimensions: { detail: 'json' },
      segmentGranularity: 'day',
    }),
    null,
  );
  const patience = {
    clock: systemClock,
    signal: new AbortController().signal,
    unavailableTimeoutMs: 0,
  };

  /** Of a Druid whose SQL says VARCHAR. */
  const check = (values: readonly (readonly unknown[])[], inSegments: unknown) =>
    checkDatasource(
      {
        sql: {
          query: (text: string) =>
            Promise.resolve(text.includes('INFORMATION_SCHEMA') ? [['detail', 'VARCHAR']] : values),
        },
        native: { segmentMetadata: () => Promise.resolve([{ columns: { detail: inSegments } }]) },
      } as unknown as DruidClient,
      schema,
      patience,
    );

  it('is none of text as long as it has no value', async () => {
    await check([], { typeSignature: 'STRING' });
  });

  it('is none where a segment says so, to which SQL has not come yet', async () => {
    await check([[1]], { errorMessage: 'error:cannot_merge_diff_types: [STRING] and [json]' });
    await check([[1]], { typeSignature: 'COMPLEX<json>' });
  });

  it('is a conflict where it has texts', async () => {
    await expect(check([[1]], { typeSignature: 'STRING' })).rejects.toThrow(
      "'detail' is VARCHAR, the schema says COMPLEX<json>",
    );
  });
});
