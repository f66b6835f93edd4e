/** The command: flags in, exit code out. Everything that a person reads about a failure is written here. */
import { HELP, parseCommandLine, type DemoOptions } from './cli.js';
import { DataDir } from './data-dir.js';
import { runDemo } from './demo.js';
import { nameOf } from './druid-target.js';
import { describeFailure, inspectFailure, InterruptedError, interruptionIn } from './failure.js';
import { formatReport } from './report.js';

/** Runs the demo and returns its exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const isVerbose = argv.includes('--verbose');
  try {
    const options = parseCommandLine(argv);
    if (options === 'help') process.stdout.write(HELP);
    else await runInDataDir(options);
    return 0;
  } catch (error) {
    const [failure, wayOn] =
      error instanceof UnfinishedRunError ? [error.cause, `${error.message}\n`] : [error, ''];
    const interruption = interruptionIn(failure);
    process.stderr.write(`${interruption?.message ?? `Error: ${describeFailure(failure)}`}\n${wayOn}`);
    if (isVerbose) process.stderr.write(`\n${inspectFailure(failure)}\n`);
    return interruption?.exitCode ?? 1;
  }
}

async function runInDataDir(options: DemoOptions): Promise<void> {
  const dataDir = await DataDir.open(options.dataDir, {
    rows: options.rows,
    corrupt: options.corrupt,
    druid: nameOf(options.druid),
    datasourcePrefix: options.datasourcePrefix,
    flightsFile: options.flightsFile,
    airportsFile: options.airportsFile,
  });
  const { signal, stopListening } = listenForInterruption();
  try {
    const report = await runDemo(options, dataDir, signal);
    process.stdout.write(formatReport(report));
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    if (dataDir.isTemporary) await dataDir.remove();
  } catch (error) {
    // A Druid of our own goes with the temporary directory. What is half done in another one can only be finished with it.
    const isUnfinished = await dataDir.hasCheckpoint();
    const isKept = !dataDir.isTemporary || (isUnfinished && options.druid.kind === 'url');
    if (!isKept) await dataDir.remove();
    throw isKept && isUnfinished ? new UnfinishedRunError(dataDir, error) : error;
  } finally {
    stopListening();
    await dataDir.release();
  }
}

/** A run that has committed something and can go on; `cause` is what ended it. */
class UnfinishedRunError extends Error {
  constructor({ path, isTemporary }: DataDir, cause: unknown) {
    const how = isTemporary ? `with --data-dir ${path} added` : 'again';
    super(`To go on from the last checkpoint, run the same command ${how}.`, { cause });
  }
}

function listenForInterruption() {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    const interruption = new InterruptedError(name === 'SIGTERM' ? 'SIGTERM' : 'SIGINT');
    if (controller.signal.aborted) process.exit(interruption.exitCode); // asked twice: at once
    process.stderr.write('\nStopping (once more to stop at once)\n');
    controller.abort(interruption);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    stopListening: () => process.off('SIGINT', onSignal).off('SIGTERM', onSignal),
  };
}
