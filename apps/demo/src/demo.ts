/** One run from start to end: read the flights, get a Druid, run both jobs, ask Druid for the figures. */
import { FileCheckpointStorage, StreamExecutionEnvironment } from '@millrace/core-stream';
import { readAirports } from './airports.js';
import type { DemoOptions } from './cli.js';
import type { DataDir } from './data-dir.js';
import { nameOf, startDruid, type DruidTarget } from './druid-target.js';
import { requireNoRows } from './existing-datasources.js';
import { queryFigures, requireConsistent } from './figures.js';
import { readFlights } from './flights-file.js';
import { buildPipeline, SOURCE_UID, type PipelineOptions } from './pipeline.js';
import { Progress } from './progress.js';
import { replaySource } from './replay-source.js';
import type { DemoReport } from './report.js';
import { schemasOf } from './schemas.js';
import { spoiler } from './spoil.js';
import { StageTimes } from './stage-times.js';
import { findWorstAirports } from './worst-airports.js';

export async function runDemo(
  options: DemoOptions,
  dataDir: DataDir,
  signal: AbortSignal,
): Promise<DemoReport> {
  const times = new StageTimes();
  const progress = new Progress(options.rows);
  const schemas = schemasOf(options.datasourcePrefix);

  const source = await times.measure('read', async () => {
    progress.say(`Reading ${options.rows.toLocaleString('en')} flights`);
    return replaySource(
      await readFlights(options.flightsFile, options.rows, signal),
      spoiler(options.corrupt),
    );
  });
  const airports = await readAirports(options.airportsFile);
  signal.throwIfAborted();

  const { client, stop } = await times.measure('start', () => openDruid(options, dataDir, progress, signal));
  try {
    const isFresh = !(await dataDir.hasCheckpoint());
    if (isFresh) await requireNoRows(client, schemas);
    progress.say(`${isFresh ? 'Starting' : 'Going on with'} the job, in ${dataDir.path}`);
    const rowsIn = await times.measure('run', () =>
      runMainJob({
        options,
        dataDir,
        progress,
        signal,
        pipeline: {
          source,
          airports,
          schemas,
          onInvalid: options.onInvalid,
          sinkOptions: {
            druid: client,
            spoolDirectory: dataDir.spool,
            advertisedHost: options.advertisedHost,
            taskPollIntervalMs: options.druid.kind === 'embedded' ? 20 : 250,
            onCommit: (event) => times.addCommit(event),
          },
        },
      }),
    );
    const figures = await times.measure('query', () => queryFigures(client, schemas));
    requireConsistent(rowsIn, figures);
    const worstAirports = await times.measure('worstAirports', async () =>
      figures.datasources.airport_delays.rows === 0
        ? []
        : findWorstAirports({
            druid: client,
            dataSource: schemas.airportDelays.dataSource,
            parallelism: options.parallelism,
            signal,
          }),
    );
    return { rowsIn, ...figures, worstAirports, seconds: times.seconds() };
  } finally {
    progress.end();
    await stop();
  }
}

function openDruid(
  { druid }: DemoOptions,
  dataDir: DataDir,
  progress: Progress,
  signal: AbortSignal,
): Promise<DruidTarget> {
  progress.say(
    druid.kind === 'url' ? `Connecting to Druid at ${nameOf(druid)}` : `Starting the ${druid.kind} Druid`,
  );
  return startDruid(druid, {
    dataDir: dataDir.druid(druid.kind),
    say: (text) => progress.say(`  ${text}`),
    signal,
  });
}

interface MainJob {
  readonly options: DemoOptions;
  readonly dataDir: DataDir;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly pipeline: PipelineOptions;
}

/** Runs the job to its end, from its last checkpoint if there is one. Returns how many records it has read in all. */
async function runMainJob({ options, dataDir, progress, signal, pipeline }: MainJob): Promise<number> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    parallelism: options.parallelism,
    printTarget: progress,
  }).enableCheckpointing({
    intervalMs: options.checkpointIntervalMs,
    storage: new FileCheckpointStorage(dataDir.checkpoints),
  });
  buildPipeline(env, pipeline);
  const job = env.executeAsync('flights', { signal });
  progress.follow(() => job.snapshot());
  try {
    const { operators } = await job.result;
    return operators.find(({ uid }) => uid === SOURCE_UID)?.recordsOut ?? 0;
  } finally {
    progress.end();
  }
}
