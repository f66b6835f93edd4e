import { describe, expect, it } from 'vitest';
import { dataSchemaOf } from '../src/commit/ingestion-spec.js';
import { columnConflicts, expectedColumnTypes } from '../src/druid/datasource-check.js';
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
