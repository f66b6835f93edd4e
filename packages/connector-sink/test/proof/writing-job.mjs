/**
 * Writes generated rows into Druid, in a process of its own, to be killed. `node writing-job.mjs <options as JSON>`; says on a
 * line of its own what it is at, and `finished` at its end. Killed at one of these points it kills itself: no line is as exact.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers';
import { druidSchema, DruidSink } from '@millrace/connector-sink';
import { kafkaTransport } from '@millrace/connector-sink/kafka';
import {
  DataGeneratorSource,
  FileCheckpointStorage,
  FileSink,
  StreamExecutionEnvironment,
  WatermarkStrategy,
} from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';

const { directory, url, name, seed, records, recordsPerSecond, ...options } = JSON.parse(process.argv[2]);
const { parallelism, intervalMs, outputs, sinkOptions, bootstrapServers, killAt } = options;

const say = (line) => void writeSync(1, `${line}\n`);
const times = new Map();

function at(point) {
  say(point);
  const nth = (times.get(point) ?? 0) + 1;
  times.set(point, nth);
  if (point !== killAt?.point || nth !== killAt.nth) return;
  const die = () => {
    say(`killed at ${point}`);
    process.kill(process.pid, 'SIGKILL');
  };
  if (killAt.throws) throw new Error(`failed at ${point}`);
  if (killAt.afterMs === 0) die();
  else setTimeout(die, killAt.afterMs);
}

/** A function of seed and number alone; the test has its own. */
function mixed(n) {
  let x = Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
  return (x ^ (x >>> 16)) >>> 0;
}

const HOUR_MS = 3_600_000;

/** Of eight hours; one in fifty is an hour late. */
function row(n) {
  if (n % 100 === 0) at('write');
  const random = mixed(n);
  const isLate = random % 50 === 0;
  return {
    time: Date.UTC(2024, 0, 1) + Math.floor((n * 8 * HOUR_MS) / records) - (isLate ? HOUR_MS : 0),
    key: `key ${random % 17}`,
    value: (random % 2_000_001) - 1_000_000,
  };
}

/** The request that a call makes tells what it is about. */
const calls = [
  ['submit', 'POST', /\/indexer\/v1\/task$|\/sql\/task$|\/supervisor$/],
  ['status', 'GET', /\/(task|supervisor)\/[^/]+\/status$/],
  ['published', 'GET', /\/task\/[^/]+\/reports$/],
  ['count', 'POST', /\/druid\/v2(\/sql)?$/],
];
const callOf = (request) =>
  calls.find(
    ([, method, path]) => method === request.method && path.test(new URL(request.url).pathname),
  )?.[0];

const druid = new DruidClient({
  url,
  retry: { maxAttempts: 3, initialDelayMs: 10, maxDelayMs: 50 },
  hooks: {
    onRequest: (request) => {
      const call = callOf(request);
      if (call !== undefined) at(call);
    },
    onResponse: (response) => {
      if (callOf(response) === 'submit') at('submitted');
    },
  },
});
// Druid reads a file from this process.
subscribe('http.server.request.start', () => at('served'));

class TellingStorage extends FileCheckpointStorage {
  latest() {
    at('restore');
    return super.latest();
  }

  async write(checkpoint) {
    at('manifest');
    await super.write(checkpoint);
    at('durable');
  }
}

class TellingSink extends DruidSink {
  async createWriter(context, restored) {
    const writer = await super.createWriter(context, restored);
    const prepareCommit = writer.prepareCommit.bind(writer);
    writer.prepareCommit = async (...args) => {
      at('barrier');
      const prepared = await prepareCommit(...args);
      at('prepared');
      return prepared;
    };
    return writer;
  }

  async createCommitter(context) {
    const committer = await super.createCommitter(context);
    const { recover, commit } = committer;
    committer.recover = (...args) => {
      at('recover');
      return recover.apply(committer, args);
    };
    committer.commit = async (requests) => {
      at('commit');
      await commit.call(committer, requests);
      at('committed');
    };
    return committer;
  }
}

const { transport, ...otherOptions } = sinkOptions;
const spooling = { spoolDirectory: join(directory, 'spool'), taskPollIntervalMs: 20 };
const ofMode = {
  append: () => ({ mode: 'append', ...spooling }),
  replace: () => ({ mode: 'replace', retainChunksMs: 2 * HOUR_MS, ...spooling }),
  kafka: (topic) => ({
    mode: 'kafka',
    transport: kafkaTransport({ bootstrapServers, topic, partitions: 3, ...transport }),
    supervisor: { ioConfig: { period: 'PT1S', startDelay: 'PT0S' } },
  }),
};

function druidSink(mode, dataSource) {
  const schema = druidSchema()({
    dataSource,
    timestamp: 'time',
    dimensions: { key: 'string', value: 'long' },
    segmentGranularity: 'hour',
  });
  return new TellingSink({ druid, schema, ...ofMode[mode](dataSource), ...otherOptions });
}

function sinkOf(output) {
  if (output !== 'files') return druidSink(output, `${name}_${output}`);
  return FileSink.forLines({ directory: join(directory, 'files'), format: JSON.stringify });
}

const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({ intervalMs, storage: new TellingStorage(join(directory, 'checkpoints')) });
// A reader has one split after the other, so that several would be late.
const splits = outputs.includes('replace') ? 1 : 4;
const rows = env
  .fromSource(
    new DataGeneratorSource(row, records, { splits, recordsPerSecond }),
    WatermarkStrategy.forMonotonousTimestamps().withTimestampAssigner(({ time }) => time),
    'rows',
  )
  .uid('rows');
for (const output of outputs) rows.sinkTo(sinkOf(output)).uid(output);
const client = env.executeAsync('write into Druid');
say('started');
await client.result;
druid.close();
say('finished');
