import { describe, expect, it } from 'vitest';
import type { SpoolCommittable } from '../src/commit/committable.js';
import { druidSchema } from '../src/index.js';
import {
  appendTask,
  attemptId,
  dataSchemaOf,
  taskBaseId,
  timeRangeOf,
} from '../src/commit/ingestion-spec.js';
import { readRowStats, rowStatsMismatch } from '../src/commit/row-stats.js';
import { FIRST_DAY } from './support/sink-harness.js';

const DAY = 86_400_000;

interface Visit {
  at: Date;
  page: string;
  tags: string[];
  ms: number;
}

const dataSchema = dataSchemaOf(
  druidSchema<Visit>()({
    dataSource: 'visits/../x'.replaceAll('/', '-'),
    timestamp: 'at',
    dimensions: { page: 'string', tags: 'string[]' },
    metrics: { visits: { type: 'count' }, ms_sum: { type: 'longSum', field: 'ms' } },
    rollup: true,
    segmentGranularity: 'day',
    queryGranularity: 'hour',
  }),
  '__commit_id',
);

const committable: SpoolCommittable = {
  version: 1,
  file: 'sink/job/s0-id.ndjson',
  fileNumber: 0,
  rows: 3,
  bytes: 100,
  sha256: 'ab',
  commitId: 'id',
  commitIdColumn: '__commit_id',
  minTime: FIRST_DAY + 5,
  maxTime: FIRST_DAY + DAY,
  chunks: [{ start: FIRST_DAY, end: FIRST_DAY + 2 * DAY }],
  dataSchema,
};

describe('the ingestion task', () => {
  it('appends, tolerates no bad row, and names its intervals so that Druid reads once', () => {
    const task = appendTask(committable, {
      id: 'task-1',
      input: { type: 'http', url: 'http://host/rows' },
      taskContext: { priority: 60 },
      tuningConfig: { maxRowsInMemory: 10, maxParseExceptions: 99 },
    });
    expect(task).toEqual({
      type: 'index_parallel',
      id: 'task-1',
      context: { useConcurrentLocks: true, priority: 60 },
      spec: {
        dataSchema: {
          dataSource: 'visits-..-x',
          timestampSpec: { column: '__time', format: 'millis' },
          dimensionsSpec: {
            dimensions: [
              { type: 'string', name: 'page' },
              { type: 'string', name: 'tags', multiValueHandling: 'ARRAY' },
              { type: 'string', name: '__commit_id' },
            ],
          },
          metricsSpec: [
            { type: 'count', name: 'visits' },
            { type: 'longSum', name: 'ms_sum', fieldName: 'ms' },
          ],
          transformSpec: {
            transforms: [{ type: 'expression', name: '__commit_id', expression: "'id'" }],
          },
          granularitySpec: {
            type: 'uniform',
            segmentGranularity: 'DAY',
            queryGranularity: 'HOUR',
            rollup: true,
            intervals: ['2001-01-01T00:00:00.000Z/2001-01-03T00:00:00.000Z'],
          },
        },
        ioConfig: {
          type: 'index_parallel',
          inputSource: { type: 'http', uris: ['http://host/rows'] },
          inputFormat: { type: 'json' },
          appendToExisting: true,
        },
        tuningConfig: {
          type: 'index_parallel',
          partitionsSpec: { type: 'dynamic' },
          maxNumConcurrentSubTasks: 1,
          indexSpecForIntermediatePersists: { dimensionCompression: 'lzf', metricCompression: 'lzf' },
          maxRowsInMemory: 10,
          maxParseExceptions: 0,
          maxSavedParseExceptions: 1,
          logParseExceptions: true,
        },
      },
    });
  });

  it('gives rows no commit id where there is none', () => {
    const options = { id: 'task-1', input: { type: 'inline', data: '' } } as const;
    const task = appendTask({ ...committable, commitId: null, commitIdColumn: null }, options);
    expect(task).not.toHaveProperty('spec.dataSchema.transformSpec');
  });

  it('has an id that depends on the committable and its origin, and that Druid takes', () => {
    const origin = { jobId: 'job', operatorUid: 'sink', checkpointId: 7, subtaskIndex: 2 };
    const id = taskBaseId(origin, committable);
    expect(id).toMatch(/^millrace_visits-__-x_c7_s2_[0-9a-f]{24}$/);
    expect(taskBaseId({ ...origin }, structuredClone(committable))).toBe(id);
    const others = [
      taskBaseId({ ...origin, jobId: 'other' }, committable),
      taskBaseId({ ...origin, operatorUid: 'other' }, committable),
      taskBaseId({ ...origin, checkpointId: 8 }, committable),
      taskBaseId({ ...origin, subtaskIndex: 3 }, committable),
      taskBaseId(origin, { ...committable, fileNumber: 1 }),
      taskBaseId(origin, { ...committable, file: 'other' }),
      taskBaseId(origin, { ...committable, sha256: 'cd' }),
    ];
    expect(new Set([id, ...others]).size).toBe(8);
    expect(attemptId(id, 3)).toBe(`${id}-a3`);
  });

  it('knows the time its rows occupy, whole chunks of it', () => {
    expect(timeRangeOf(committable)).toEqual({ start: FIRST_DAY, end: FIRST_DAY + 2 * DAY });
    expect(timeRangeOf({ ...committable, minTime: -8.64e15 })).toBeUndefined();
  });
});

describe('row counts of a report', () => {
  const stats = { processed: 3, processedWithError: 0, thrownAway: 0, unparseable: 0 };
  const report = (rowStats: object) => ({ ingestionStatsAndErrors: { payload: { rowStats } } });

  it('are read from single and from parallel tasks', () => {
    expect(readRowStats(report({ buildSegments: stats }))).toEqual(stats);
    expect(readRowStats(report({ totals: { buildSegments: stats } }))).toEqual(stats);
    expect(readRowStats(report({}))).toBeUndefined();
    expect(readRowStats(undefined)).toBeUndefined();
  });

  it('must be the rows of the file, all of them without fault', () => {
    expect(rowStatsMismatch(stats, 3)).toBeUndefined();
    expect(rowStatsMismatch({ ...stats, processed: 2 }, 3)).toContain('processed 2 rows');
    expect(rowStatsMismatch({ ...stats, processed: 2, unparseable: 1 }, 3, 1)).toBeUndefined();
    expect(rowStatsMismatch({ ...stats, processed: 2, unparseable: 0 }, 3, 1)).toBeDefined();
    expect(rowStatsMismatch({ ...stats, unparseable: 1 }, 3, 1)).toBeDefined();
    for (const fault of ['processedWithError', 'thrownAway', 'unparseable']) {
      expect(rowStatsMismatch({ ...stats, [fault]: 1 }, 3)).toBeDefined();
    }
  });
});
