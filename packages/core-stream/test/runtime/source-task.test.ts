import { describe, expect, it } from 'vitest';
import {
  OperatorError,
  StreamRecordError,
  WatermarkStrategy,
  type Source,
  type SourceReader,
  type SourceSplit,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf } from '../support/conditions.js';
import {
  boom,
  environment,
  none,
  recordingLogger,
  refuseUnhandledRejections,
} from '../support/environment.js';

refuseUnhandledRejections();

/** A source with one split, whose reader does what the test says, and otherwise emits 1 and ends. */
function sourceWith(
  reader: Partial<SourceReader<number, SourceSplit>>,
  close?: () => void,
): Source<number, SourceSplit> {
  return {
    boundedness: 'bounded',
    createEnumerator: (context) => ({
      start: () => undefined,
      handleSplitRequest: (subtaskIndex) => {
        context.assignSplit({ splitId: 'only' }, subtaskIndex);
        context.signalNoMoreSplits(subtaskIndex);
      },
      addSplitsBack: () => undefined,
      snapshotState: () => undefined,
      ...(close === undefined ? {} : { close }),
    }),
    createReader: ({ requestSplit }) => {
      let hasSplit = false;
      return {
        start: requestSplit,
        pollNext: (output) => {
          if (!hasSplit) return 'wait';
          output.collect(1);
          return 'end';
        },
        isAvailable: () => new Promise(() => undefined),
        addSplits: () => void (hasSplit = true),
        notifyNoMoreSplits: () => undefined,
        snapshotState: () => [],
        ...reader,
      };
    },
  };
}

const wait = () => 'wait' as const;

async function failure(source: Source<number, SourceSplit>, strategy = none): Promise<Error> {
  const { env } = environment();
  env.fromSource(source, strategy, 'Sensors').sinkTo(new CollectingSink());
  return failureOf(env.execute('failing'));
}

describe('what a reader throws', () => {
  it.each([
    ['start', { start: boom }, 'starting'],
    ['pollNext', { pollNext: boom }, 'reading'],
    ['isAvailable', { pollNext: wait, isAvailable: boom }, 'reading'],
    [
      'isAvailable, later',
      { pollNext: wait, isAvailable: () => Promise.reject(new Error('boom')) },
      'reading',
    ],
    ['addSplits', { addSplits: boom }, 'reading'],
    ['notifyNoMoreSplits', { notifyNoMoreSplits: boom }, 'reading'],
    ['close', { close: boom }, 'closing'],
  ])('in %s names the source', async (_hook, reader, doing) => {
    const error = await failure(sourceWith(reader));
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toBe(`'Sensors' (subtask 0) failed while ${doing}: boom`);
  });

  it('in its enumerator’s close names the source, too', async () => {
    const log: string[] = [];
    const { env } = environment({ logger: recordingLogger(log) });
    env.fromSource(sourceWith({}, boom), none, 'Sensors').sinkTo(new CollectingSink());
    const error = await failureOf(env.execute('closing'));
    expect(error.message).toBe("'Sensors' (subtask 0) failed while closing its enumerator: boom");
  });
});

describe('a record without a usable time', () => {
  it.each([
    ['an assigner that throws', none.withTimestampAssigner(boom), "threw 'boom' for the record 1"],
    ['an assigner that gives NaN', none.withTimestampAssigner(() => NaN), 'gave NaN for the record 1'],
    [
      'an assigner that gives +∞',
      none.withTimestampAssigner(() => Infinity),
      'gave Infinity for the record 1',
    ],
  ])('fails the job: %s', async (_what, strategy, message) => {
    const error = await failure(sourceWith({}), strategy);
    expect(error.cause).toBeInstanceOf(StreamRecordError);
    expect(error.message).toContain(`The timestamp assigner of 'Sensors' ${message}`);
  });

  it('fails the job where the source gives it', async () => {
    const source = sourceWith({
      pollNext: (output) => {
        output.collect(1, NaN);
        return 'end';
      },
    });
    const error = await failure(source, WatermarkStrategy.forMonotonousTimestamps());
    expect(error.cause).toBeInstanceOf(StreamRecordError);
    expect(error.message).toContain("'Sensors' gave the timestamp NaN for the record 1");
  });
});
