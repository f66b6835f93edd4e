import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { druidSchema, DruidSink } from '@millrace/connector-sink';
import { kafkaTransport } from '@millrace/connector-sink/kafka';
import {
  DataGeneratorSource,
  FileCheckpointStorage,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type Sink,
} from '@millrace/core-stream';
import { flightRow } from '../druid-read/flights.js';
import { peakRssMb } from '../druid-read/peak-rss.js';
import type { SinkMode, SinkOutcome } from './sink-report.js';

/** What a writing process is told. */
export interface SinkJob {
  readonly mode: SinkMode;
  readonly parallelism: number;
  readonly rows: number;
  readonly dataSource: string;
  /** Of the Router. */
  readonly url: string;
  /** Of Kafka, for the mode that needs it. */
  readonly bootstrapServers: string;
}

type Flight = ReturnType<typeof flightRow>;

/** Runs a job that makes the rows and writes them through the sink. */
export async function runSinkJob(job: SinkJob): Promise<SinkOutcome> {
  const { rows, parallelism } = job;
  const folder = await mkdtemp(join(tmpdir(), 'millrace-druid-sink-'));
  try {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
    const storage = new FileCheckpointStorage(join(folder, 'checkpoints'));
    env.enableCheckpointing({ intervalMs: 5_000, storage });
    const flights = new DataGeneratorSource((i) => flightRow(i, rows), rows, { splits: parallelism });
    const cpuBefore = process.cpuUsage();
    const started = performance.now();
    const secondsNow = (): number => (performance.now() - started) / 1000;
    let secondsToSpooled = 0;
    let spoolCpuSeconds = 0;
    const spooled = (): void => {
      const { user, system } = process.cpuUsage(cpuBefore);
      spoolCpuSeconds = (user + system) / 1e6;
      secondsToSpooled = secondsNow();
    };
    env
      .fromSource(
        flights,
        WatermarkStrategy.forMonotonousTimestamps<Flight>().withTimestampAssigner(({ time }) => time),
        'flights',
      )
      .sinkTo(watched(sinkOf(job, folder), spooled))
      .uid('sink');
    await env.execute('write flights');
    return {
      secondsToSpooled,
      secondsToQueryable: secondsNow(),
      spoolCpuSeconds,
      peakRssMb: peakRssMb(),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function sinkOf({ mode, url, dataSource, bootstrapServers }: SinkJob, folder: string): DruidSink<Flight> {
  const druid = { url };
  const spoolDirectory = join(folder, 'spool');
  const schema = druidSchema<Flight>()({
    dataSource,
    timestamp: 'time',
    dimensions: { origin: 'string', destination: 'string', delay: 'long', distance: 'long' },
    segmentGranularity: 'month',
  });
  if (mode !== 'kafka') return new DruidSink({ mode, druid, schema, spoolDirectory });
  return new DruidSink({
    mode,
    druid,
    schema,
    transport: kafkaTransport({ bootstrapServers, topic: dataSource }),
    // Its tasks give their slots back to the next run.
    supervisor: { ioConfig: { period: 'PT1S', startDelay: 'PT0S' }, atEnd: 'terminate' },
  });
}

/** The sink, with a look at each barrier that has something to commit. */
function watched(sink: DruidSink<Flight>, onPrepared: () => void): Sink<Flight> {
  const { partitionKey } = sink;
  return {
    ...(partitionKey !== undefined && { partitionKey }),
    createCommitter: (context) => sink.createCommitter(context),
    createWriter: async (context, restored) => {
      const writer = await sink.createWriter(context, restored);
      const prepareCommit = writer.prepareCommit?.bind(writer);
      writer.prepareCommit = async (...barrier) => {
        const committables = (await prepareCommit?.(...barrier)) ?? [];
        if (committables.length > 0) onPrepared();
        return committables;
      };
      return writer;
    },
  };
}
