/**
 * A job in a process of its own, to be killed at any instant: numbers into Druid, by way of Kafka. Says on a line of its own
 * what it is at, and `finished` at its end.
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { setTimeout } from 'node:timers';
import { DruidSink, druidSchema } from '@millrace/connector-sink';
import { kafkaTransport } from '@millrace/connector-sink/kafka';
import {
  DataGeneratorSource,
  FileCheckpointStorage,
  StreamExecutionEnvironment,
  WatermarkStrategy,
} from '@millrace/core-stream';

const { url, bootstrapServers, dataSource, count, perSecond, checkpoints, parallelism, waitUntil, kill } =
  JSON.parse(process.argv[2]);

let times = 0;
/** Prints what the program is at, and kills it soon after where that is its fate. */
function say(line) {
  writeSync(1, `${line}\n`);
  if (line !== kill?.line || ++times !== kill.nth) return;
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), kill.afterMs);
}

class TellingStorage extends FileCheckpointStorage {
  write(checkpoint) {
    say('manifest');
    return super.write(checkpoint);
  }
}

/** Says when it is called, otherwise the sink as it is. */
function telling(sink) {
  return {
    async createWriter(context, restored) {
      const writer = await sink.createWriter(context, restored);
      for (const name of ['flush', 'prepareCommit']) {
        const call = writer[name].bind(writer);
        writer[name] = (...args) => {
          say(name);
          return call(...args);
        };
      }
      return writer;
    },
    async createCommitter(context) {
      const committer = await sink.createCommitter(context);
      for (const name of ['recover', 'commit']) {
        const call = committer[name].bind(committer);
        committer[name] = async (...args) => {
          say(name);
          await call(...args);
          say(`${name} done`);
        };
      }
      return committer;
    },
  };
}

const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({ intervalMs: 50, storage: new TellingStorage(checkpoints) });
env
  .fromSource(
    new DataGeneratorSource((n) => ({ at: Date.UTC(2001, 0, 1) + n, key: `k${n % 17}`, n }), count, {
      splits: 3,
      recordsPerSecond: perSecond,
    }),
    WatermarkStrategy.noWatermarks(),
    'numbers',
  )
  .uid('numbers')
  .sinkTo(
    telling(
      new DruidSink({
        mode: 'kafka',
        druid: { url },
        schema: druidSchema()({
          dataSource,
          timestamp: 'at',
          dimensions: { key: 'string', n: 'long' },
          segmentGranularity: 'month',
        }),
        transport: kafkaTransport({
          bootstrapServers,
          topic: dataSource,
          partitions: 3,
          maxRecordBytes: 2_000,
        }),
        supervisor: { ioConfig: { period: 'PT1S', startDelay: 'PT0S' } },
        waitUntil,
      }),
    ),
  )
  .uid('druid');
const client = env.executeAsync('numbers');
say('started');
await client.result;
say('finished');
process.exit(0);
