import { describe, expect, it } from 'vitest';
import { dataSchemaOf } from '../../src/commit/ingestion-spec.js';
import { druidSchema, type Granularity } from '../../src/index.js';
import { revisionBaseId, type ChunkRevision } from '../../src/replace/chunk-committable.js';
import { replaceQuery, replaceTask, requireQueryable, slotsPerTask } from '../../src/replace/replace-task.js';
import { FIRST_DAY, flightSchema } from '../support/sink-harness.js';
import { DAY } from './replace-harness.js';

const part = { file: 'uid/job/a.ndjson', bytes: 10, rows: 1, sha256: 'ab' };

function revisionOf(granularity: Granularity = 'day'): ChunkRevision {
  return {
    version: 1,
    kind: 'revision',
    chunk: { start: FIRST_DAY, end: FIRST_DAY + DAY },
    revision: 2,
    parts: [part],
    rows: 1,
    bytes: 10,
    dataSchema: dataSchemaOf({ ...flightSchema("it's 1 of 2"), segmentGranularity: granularity }, null),
  };
}

const input = { type: 'http', uris: ['http://localhost:1/a', 'http://localhost:1/b'] } as const;

describe('replaceTask', () => {
  it('overwrites the chunk and nothing else, with no tolerance for rows that cannot be read', () => {
    const tuningConfig = { maxRowsInMemory: 7, partitionsSpec: { type: 'hashed' }, maxParseExceptions: 5 };
    const task = replaceTask(revisionOf(), { id: 'x', input, taskContext: { priority: 9 }, tuningConfig });
    expect(task).toMatchObject({
      type: 'index_parallel',
      id: 'x',
      context: { priority: 9, useConcurrentLocks: false },
      spec: {
        dataSchema: { granularitySpec: { intervals: ['2001-01-01T00:00:00.000Z/2001-01-02T00:00:00.000Z'] } },
        ioConfig: { inputSource: input, appendToExisting: false },
        tuningConfig: {
          maxRowsInMemory: 7,
          partitionsSpec: { type: 'hashed' },
          maxParseExceptions: 0,
          indexSpecForIntermediatePersists: { dimensionCompression: 'lzf', metricCompression: 'lzf' },
        },
      },
    });
  });
});

describe('replaceQuery', () => {
  it('says the same as a statement', () => {
    expect(replaceQuery(revisionOf(), input).toStatement().text).toBe(
      `REPLACE INTO "it's 1 of 2" OVERWRITE WHERE "__time" >= TIMESTAMP '2001-01-01 00:00:00.000' AND "__time" < TIMESTAMP ` +
        `'2001-01-02 00:00:00.000' SELECT "__time", "origin", "delay" FROM TABLE(EXTERN('{"type":"http","uris":["http://localhost:1/a",` +
        `"http://localhost:1/b"]}', '{"type":"json"}', '[{"name":"__time","type":"long"},{"name":"origin","type":"string"},` +
        `{"name":"delay","type":"long"}]')) PARTITIONED BY DAY`,
    );
    expect(replaceQuery(revisionOf('fifteen_minute'), input).toStatement().text).toContain(
      `PARTITIONED BY TIME_FLOOR("__time", 'PT15M')`,
    );
  });

  it('is refused for schemas that a plain SELECT cannot write', () => {
    const hourly = druidSchema<{ at: number }>()({
      dataSource: 'a',
      timestamp: 'at',
      dimensions: {},
      segmentGranularity: 'day',
      queryGranularity: 'hour',
    });
    expect(() => requireQueryable(dataSchemaOf(hourly, null))).toThrow("Leave 'via' out");
  });
});

describe('slotsPerTask', () => {
  const slots = (via: 'native' | 'msq', tuningConfig: object = {}, taskContext: object = {}) =>
    slotsPerTask({ via, tuningConfig: { ...tuningConfig }, taskContext: { ...taskContext } });

  it('counts the tasks that a task needs to come to its end', () => {
    expect(slots('native')).toBe(1);
    expect(slots('native', { partitionsSpec: { type: 'hashed' } })).toBe(1);
    expect(slots('native', { partitionsSpec: { type: 'range' } })).toBe(2); // always by sub-tasks
    expect(slots('native', { maxNumConcurrentSubTasks: 3 })).toBe(2);
    expect(slots('msq')).toBe(2);
    expect(slots('msq', {}, { maxNumTasks: 4 })).toBe(4);
  });
});

describe('revisionBaseId', () => {
  it('is another one for another job, sink, chunk, revision or content', () => {
    const owner = { jobId: 'job', operatorUid: 'uid' };
    const revision = revisionOf();
    const { chunk } = revision;
    const ids = [
      revisionBaseId(owner, revision),
      revisionBaseId({ ...owner, jobId: 'other' }, revision),
      revisionBaseId({ ...owner, operatorUid: 'other' }, revision),
      revisionBaseId(owner, { ...revision, chunk: { ...chunk, start: chunk.start - DAY } }),
      revisionBaseId(owner, { ...revision, revision: 3 }),
      revisionBaseId(owner, { ...revision, parts: [{ ...part, sha256: 'cd' }] }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(revisionBaseId(owner, structuredClone(revision))).toBe(ids[0]);
    for (const id of ids) expect(id).toMatch(/^millrace_it_s_1_of_2_-?\d+_r\d_[0-9a-f]{24}$/);
  });
});
