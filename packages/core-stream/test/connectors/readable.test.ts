import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { describe, expect, it } from 'vitest';
import { StreamExecutionEnvironment } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until } from '../support/conditions.js';
import { environment, numbers, refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

/** Whole numbers from 0, each made when it is asked for. */
function counting(count: number, highWaterMark = 16): { stream: Readable; made: () => number } {
  let made = 0;
  const stream = new Readable({
    objectMode: true,
    highWaterMark,
    read() {
      this.push(made < count ? made++ : null);
    },
  });
  return { stream, made: () => made };
}

describe('fromReadable with a Node stream', () => {
  it('gives all chunks in order, and ends', async () => {
    const { env } = environment();
    const sink = new CollectingSink<number>();
    env.fromReadable<number>(counting(5000).stream).sinkTo(sink);
    await env.execute('all');
    expect(sink.values).toEqual(numbers(5000));
  });

  it('gives bytes as they come', async () => {
    const { env } = environment();
    const stream = new PassThrough();
    const sink = new CollectingSink<Buffer>();
    env.fromReadable<Buffer>(stream).sinkTo(sink);
    const job = env.executeAsync('bytes');
    stream.write('ab');
    await until(() => sink.values.length === 1);
    stream.end('c');
    await job.result;
    expect(sink.values.map(String)).toEqual(['ab', 'c']);
  });

  it('invariant 1: leaves the stream alone while the engine is stopped', async () => {
    const { clock, env } = environment();
    const gate = createGate();
    const sink: CollectingSink<number> = new CollectingSink<number>({
      backPressure: () => (sink.values.length > 0 ? gate.opened : undefined),
    });
    const { stream, made } = counting(5000);
    env.fromReadable<number>(stream).sinkTo(sink);
    const job = env.executeAsync('bound');
    await until(() => sink.values.length > 0);
    await quiet();
    expect(made() - sink.values.length).toBeLessThanOrEqual(17);
    gate.open();
    await drive(job, clock);
    expect(sink.values).toEqual(numbers(5000));
  });

  it('invariant 2: fails with the name of the source when the stream does', async () => {
    const { env } = environment();
    const stream = new PassThrough({ objectMode: true });
    const sink = new CollectingSink<number>();
    env.fromReadable<number>(stream, { name: 'Socket' }).sinkTo(sink);
    const job = env.executeAsync('fails');
    stream.write(1);
    await until(() => sink.values.length === 1);
    stream.destroy(new Error('connection reset'));
    const error = await failureOf(job.result);
    expect(error.message).toBe("'Socket' (subtask 0) failed while reading: connection reset");
    expect(sink.values).toEqual([1]);
  });

  it('invariant 2: fails when the stream is closed before its end', async () => {
    const { env } = environment();
    const stream = new PassThrough({ objectMode: true });
    env.fromReadable<number>(stream).sinkTo(new CollectingSink());
    const job = env.executeAsync('closed');
    await quiet();
    stream.destroy();
    expect((await failureOf(job.result)).message).toContain('closed before its end');
  });

  it('invariant 3: is destroyed on cancel', async () => {
    const { env } = environment();
    const stream = new PassThrough({ objectMode: true });
    env.fromReadable<number>(stream).sinkTo(new CollectingSink());
    const job = env.executeAsync('cancel');
    await quiet();
    job.cancel();
    await failureOf(job.result);
    expect(stream.destroyed).toBe(true);
  });

  it('refuses a stream that was read before, and takes a function that opens one', async () => {
    const { env } = environment();
    const { stream } = counting(3);
    for await (const _chunk of stream);
    env.fromReadable<number>(stream).sinkTo(new CollectingSink());
    expect((await failureOf(env.execute('read'))).message).toContain('Give fromReadable a function');
    const again = StreamExecutionEnvironment.getExecutionEnvironment();
    const sink = new CollectingSink<number>();
    again.fromReadable<number>(() => counting(3).stream).sinkTo(sink);
    await again.execute('first');
    await again.execute('second');
    expect(sink.values).toEqual([0, 1, 2, 0, 1, 2]);
  });
});

describe('fromReadable with a web stream', () => {
  it('gives all chunks in order, ahead by no more than its bound', async () => {
    const { clock, env } = environment();
    const gate = createGate();
    let made = 0;
    const stream = new ReadableStream<number>(
      {
        pull(controller) {
          if (made < 1000) controller.enqueue(made++);
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const sink: CollectingSink<number> = new CollectingSink<number>({
      backPressure: () => (sink.values.length > 0 ? gate.opened : undefined),
    });
    env.fromReadable(stream, { prefetch: 8 }).sinkTo(sink);
    const job = env.executeAsync('web');
    await until(() => sink.values.length > 0);
    await quiet();
    expect(made - sink.values.length).toBeLessThanOrEqual(9);
    gate.open();
    await drive(job, clock);
    expect(sink.values).toEqual(numbers(1000));
  });

  it('is cancelled with the job, also while a read is pending', async () => {
    const { env } = environment();
    let isCancelled = false;
    const stream = new ReadableStream<number>({ cancel: () => void (isCancelled = true) });
    env.fromReadable(() => stream).sinkTo(new CollectingSink());
    const job = env.executeAsync('cancel');
    await until(() => stream.locked);
    job.cancel();
    await failureOf(job.result);
    expect(isCancelled).toBe(true);
  });
});
