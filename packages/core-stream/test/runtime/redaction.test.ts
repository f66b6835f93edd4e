import { describe, expect, it } from 'vitest';
import {
  AsyncDataStream,
  FileSink,
  sqlUpsert,
  UpsertSink,
  ValueStateDescriptor,
  WatermarkStrategy,
  type DataStream,
  type EnvironmentOptions,
  type LogFields,
  type StreamExecutionEnvironment,
} from '../../src/index.js';
import { createDescriber } from '../../src/runtime/describe-value.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf } from '../support/conditions.js';
import { environment, refuseUnhandledRejections } from '../support/environment.js';
import { MemoryFileSystem } from '../support/memory-file-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

const SECRET = 'ada@example.org';

interface Person {
  readonly id: number;
  readonly email: string;
}

const person: Person = { id: 7, email: SECRET };
const fileSystem = new MemoryFileSystem();
const none = WatermarkStrategy.noWatermarks<Person>();
const fail = (): never => {
  throw new Error(`cannot read ${SECRET}`);
};
const sink = () => new CollectingSink<unknown>();

/** Where a job can fail with a record, a key, or what quotes one. */
const places: readonly [
  string,
  (people: () => DataStream<Person>, env: StreamExecutionEnvironment) => void,
][] = [
  ['a map', (people) => people().map(fail).sinkTo(sink())],
  [
    'a process function',
    (people) =>
      people()
        .process(() => ({ processElement: fail }))
        .sinkTo(sink()),
  ],
  [
    'a key selector',
    (people) =>
      people()
        .keyBy(fail)
        .process(() => ({ processElement: () => undefined }))
        .sinkTo(sink()),
  ],
  [
    'a partitioner',
    (people) =>
      people()
        .partitionCustom(fail, (value) => value)
        .map((value) => value)
        .sinkTo(sink()),
  ],
  [
    'a timestamp assigner that throws',
    (people) => people().assignTimestampsAndWatermarks(none.withTimestampAssigner(fail)).sinkTo(sink()),
  ],
  [
    'a timestamp assigner that gives nonsense',
    (people) =>
      people()
        .assignTimestampsAndWatermarks(none.withTimestampAssigner(() => NaN))
        .sinkTo(sink()),
  ],
  [
    'a timestamp assigner of a source',
    (_people, env) =>
      env
        .fromSource(
          new ScriptedSource([[{ value: person }]]),
          none.withTimestampAssigner(() => NaN),
          'In',
        )
        .sinkTo(sink()),
  ],
  [
    'async I/O that rejects',
    (people) =>
      AsyncDataStream.unorderedWait(
        people(),
        { asyncInvoke: () => Promise.reject(new Error(SECRET)) },
        { timeoutMs: 100 },
      ).sinkTo(sink()),
  ],
  [
    'async I/O that gives no array',
    (people) =>
      AsyncDataStream.unorderedWait(
        people(),
        { asyncInvoke: (value: Person) => Promise.resolve(value as unknown as Person[]) },
        { timeoutMs: 100 },
      ).sinkTo(sink()),
  ],
  [
    'state that is not plain data',
    (people) =>
      people()
        .keyBy(({ email }) => email)
        .process((context) => {
          const state = context.getState(new ValueStateDescriptor<unknown>('odd'));
          return { processElement: () => state.update(() => SECRET) };
        })
        .sinkTo(sink()),
  ],
  ['a write', (people) => people().sinkTo(new CollectingSink<Person>({ write: fail }))],
  ['a flush', (people) => people().sinkTo(new CollectingSink<Person>({ flush: fail }))],
  [
    'a commit',
    (people) =>
      people().sinkTo({
        createWriter: () => ({
          write: () => undefined,
          flush: () => undefined,
          prepareCommit: () => [SECRET],
          close: () => undefined,
        }),
        createCommitter: () => ({ commit: () => Promise.reject(new Error(SECRET)) }),
      }),
  ],
  [
    'a file sink that has no bucket for a record',
    (people) =>
      people().sinkTo(
        FileSink.forNdjson<Person>({
          directory: '/data/out',
          bucketAssigner: (at) => `../${at.email}`,
          fileSystem,
        }),
      ),
  ],
  [
    'a row that a database does not take',
    (people) =>
      people().sinkTo(
        new UpsertSink<Person>({
          statement: sqlUpsert({ table: 't', columns: ['email'], keyColumns: ['email'], dialect: 'sqlite' }),
          connect: () => ({
            execute: (_statement, rows) => Promise.reject(new Error(`no ${String(rows[0]![0])}`)),
            close: fail,
          }),
        }),
      ),
  ],
  ['a source', (_people, env) => env.addSource<Person>({ collect: fail }).sinkTo(sink())],
  ['a close', (people) => people().sinkTo(new CollectingSink<Person>({ close: fail }))],
];

/** Runs a job to its failure; returns everything that it has said. */
async function said(build: (typeof places)[number][1], options: EnvironmentOptions): Promise<string> {
  const log: unknown[] = [];
  const write = (message: string, fields?: LogFields) => void log.push(message, fields);
  const logger = { debug: write, info: write, warn: write, error: write };
  const { clock, env } = environment({ logger, ...options });
  env.enableCheckpointing({ intervalMs: 5, storage: new MemoryStorage() });
  build(() => env.fromSource(new ScriptedSource([[{ value: person }]]), none, 'People'), env);
  const client = env.executeAsync('leaks');
  const error = await failureOf(drive(client, clock));
  return JSON.stringify([error.message, log, client.snapshot().exceptions]);
}

describe('describeRecord and describeError', () => {
  const redacting: EnvironmentOptions = {
    describeRecord: (record) => `#${String((record as Partial<Person>).id)}`,
    describeError: (error) => (error as Error).name,
  };

  it.each(places)('keep what is personal out of messages, logs and reports: %s', async (place, build) => {
    expect(await said(build, redacting)).not.toContain(SECRET);
    if (place !== 'state that is not plain data') expect(await said(build, {})).toContain(SECRET);
  });

  it('say what a record and an error are in their own words', async () => {
    const text = await said((people) => people().map(fail).sinkTo(sink()), redacting);
    expect(text).toContain("'Map' (subtask 0) failed while processing the record #7: Error");
    expect(text).toContain('"record":"#7"');
  });

  it('leave everything out where they throw', () => {
    const { describeRecord, describeError } = createDescriber({ describeRecord: fail, describeError: fail });
    expect(describeRecord(person)).toBe('(describeRecord threw)');
    expect(describeError(new Error(SECRET))).toBe('(describeError threw)');
  });
});
