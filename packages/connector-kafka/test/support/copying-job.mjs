/**
 * A job in a process of its own, to be killed at any instant: copies a topic into another, exactly once. Says on a line of its
 * own what it is at, and `finished` at its end. Where it is told to, it stands still after that line.
 */
import { writeSync } from 'node:fs';

const { coreUrl, kafkaUrl, bootstrapServers, from, to, checkpoints, parallelism, ...more } = JSON.parse(
  process.argv[2],
);
const { intervalMs = 20, transactionTimeoutMs = 900_000, haltAt } = more;
const { FileCheckpointStorage, StreamExecutionEnvironment, WatermarkStrategy } = await import(coreUrl);
const { KafkaSink, KafkaSource, rawDeserializer } = await import(kafkaUrl);

const say = (line) => {
  writeSync(1, `${line}\n`);
  if (line === haltAt) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};

class TellingStorage extends FileCheckpointStorage {
  write(checkpoint) {
    say('manifest');
    return super.write(checkpoint);
  }
}

/** Says when it is called, otherwise the sink as it is. */
function telling(sink) {
  const { createCommitter } = sink;
  return {
    async createWriter(context, restored) {
      const writer = await sink.createWriter(context, restored);
      const prepareCommit = writer.prepareCommit.bind(writer);
      writer.prepareCommit = (...args) => {
        say('preparing');
        return prepareCommit(...args);
      };
      const flush = writer.flush.bind(writer);
      writer.flush = (isEnd) => {
        say('flushing');
        return flush(isEnd);
      };
      return writer;
    },
    async createCommitter(context) {
      const committer = await createCommitter(context);
      const { recover, commit } = committer;
      committer.recover = async (pending) => {
        say('recovering');
        await recover.call(committer, pending);
        say('recovered');
      };
      committer.commit = async (requests) => {
        say('committing');
        await commit.call(committer, requests);
        say('committed');
      };
      return committer;
    },
  };
}

const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({ intervalMs, storage: new TellingStorage(checkpoints) });
env
  .fromSource(
    new KafkaSource({
      bootstrapServers,
      topics: from,
      deserializer: rawDeserializer(),
      stoppingOffsets: 'latest',
      maxPartitionFetchBytes: 100, // many small fetches: there are many checkpoints on the way
    }),
    WatermarkStrategy.noWatermarks(),
    'from',
  )
  .uid('from')
  .map(({ key, value }) => ({ topic: to, key: key.toString(), value: value.toString() }))
  .uid('copy')
  .sinkTo(
    telling(
      new KafkaSink({
        bootstrapServers,
        deliveryGuarantee: 'exactly-once',
        transactionalIdPrefix: to,
        transactionTimeoutMs,
        serializer: (record) => record,
      }),
    ),
  )
  .uid('to');
const client = env.executeAsync('copy');
say('started');
await client.result;
say('finished');
process.exit(0);
