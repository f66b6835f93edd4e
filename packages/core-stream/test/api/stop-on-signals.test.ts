import { describe, expect, it } from 'vitest';
import { StreamConfigError, stopOnSignals, type JobClient, type StopOptions } from '../../src/index.js';
import { createGate, turn } from '../support/conditions.js';
import { recordingLogger, refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

const SIGNAL = 'SIGUSR2';

/** A client that writes down what it is asked for. */
function fakeClient(stop: () => Promise<undefined>) {
  const asked: unknown[] = [];
  const end = createGate();
  const client = {
    stop: (options: StopOptions) => {
      asked.push(['stop', options]);
      return stop();
    },
    cancel: (reason: unknown) => void asked.push(['cancel', reason]),
    result: end.opened,
  } as unknown as JobClient;
  return { client, asked, end };
}

const never = () => new Promise<undefined>(() => {});

describe('stopOnSignals', () => {
  it('stops at the first signal, cancels at the next, and listens until the job has ended', async () => {
    const { client, asked, end } = fakeClient(never);
    const log: string[] = [];
    stopOnSignals(client, { signals: [SIGNAL], savepoint: 'there', logger: recordingLogger(log) });
    process.emit(SIGNAL, SIGNAL);
    expect(asked).toEqual([['stop', { savepoint: 'there' }]]);
    process.emit(SIGNAL, SIGNAL);
    expect(asked[1]).toEqual(['cancel', 'the process got 2 signals, the last one SIGUSR2']);
    expect(log).toEqual(['stopping', 'cancelling']);
    end.fail(new Error('cancelled'));
    await turn();
    expect(process.listenerCount(SIGNAL)).toBe(0);
  });

  it('cancels where the job cannot be stopped; not a second time where it was cancelled meanwhile', async () => {
    const refused = createGate();
    const { client, asked, end } = fakeClient(async () => {
      await refused.opened;
      return undefined;
    });
    stopOnSignals(client, { signals: [SIGNAL] });
    process.emit(SIGNAL, SIGNAL);
    const error = new Error('no checkpoints');
    refused.fail(error);
    await turn();
    expect(asked).toEqual([
      ['stop', {}],
      ['cancel', error],
    ]);
    end.open();

    const late = createGate();
    const other = fakeClient(async () => {
      await late.opened;
      return undefined;
    });
    const remove = stopOnSignals(other.client, { signals: [SIGNAL] });
    process.emit(SIGNAL, SIGNAL);
    process.emit(SIGNAL, SIGNAL);
    late.fail(error);
    await turn();
    expect(other.asked.map((call) => (call as unknown[])[0])).toEqual(['stop', 'cancel']);
    remove();
    expect(process.listenerCount(SIGNAL)).toBe(0);
  });

  it.each(['SIGKILL', 'SIGFOO'])('refuses %s, and leaves no handler behind', (signal) => {
    const { client } = fakeClient(never);
    const refused = () => stopOnSignals(client, { signals: [SIGNAL, signal] });
    expect(refused).toThrow(StreamConfigError);
    expect(refused).toThrow(`A process cannot handle the signal '${signal}'`);
    expect(process.listenerCount(SIGNAL)).toBe(0);
  });
});
