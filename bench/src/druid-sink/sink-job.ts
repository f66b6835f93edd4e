import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { druidSchema, DruidSink } from '@millrace/connector-sink';
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
      .fromSource(flights, WatermarkStrategy.noWatermarks(), 'flights')
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

function sinkOf({ url, dataSource }: SinkJob, folder: string): DruidSink<Flight> {
  const schema = druidSchema<Flight>()({
    dataSource,
    timestamp: 'time',
    dimensions: { origin: 'string', destination: 'string', delay: 'long', distance: 'long' },
    segmentGranularity: 'month',
  });
  return new DruidSink({ druid: { url }, schema, spoolDirectory: join(folder, 'spool') });
}

/** The sink, with a look at each barrier that has something to commit. */
function watched<T, CommT, StateT>(
  sink: Sink<T, CommT, StateT>,
  onPrepared: () => void,
): Sink<T, CommT, StateT> {
  return new Proxy(sink, {
    get(target, name, receiver) {
      if (name !== 'createWriter') return Reflect.get(target, name, receiver) as unknown;
      return async (...args: Parameters<typeof sink.createWriter>) => {
        const writer = await target.createWriter(...args);
        const prepareCommit = writer.prepareCommit?.bind(writer);
        writer.prepareCommit = async (...barrier) => {
          const committables = (await prepareCommit?.(...barrier)) ?? [];
          if (committables.length > 0) onPrepared();
          return committables;
        };
        return writer;
      };
    },
  });
}
