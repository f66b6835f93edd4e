import { describe, expect, it } from 'vitest';
import type {
  CheckpointStorage,
  Committer,
  EnvironmentOptions,
  JobClient,
  Logger,
  Sink,
  SinkWriter,
  StreamExecutionEnvironment,
} from '../../src/index.js';
import { createGate, failureOf, quiet, until } from '../support/conditions.js';
import { boom, environment, none, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';
import type { ManualClock } from '../support/manual-clock.js';

refuseUnhandledRejections();

const TIMEOUT_MS = 5_000;

type Place =
  | `storage ${'claim' | 'latest' | 'write' | 'release'}`
  | `committer ${'create' | 'recover' | 'commit' | 'close'}`
  | `writer ${'create' | 'backPressure' | 'flush' | 'flush at the end' | 'prepareCommit' | 'close'}`
  | `function ${'open' | 'close'}`
  | `source ${'find splits' | 'reader close' | 'enumerator close'}`;

/** A job that does not get past one place, and says when it is there. */
class HangingJob {
  readonly place: Place;
  readonly log: string[] = [];
  readonly client: JobClient;
  readonly clock: ManualClock;
  readonly gate = createGate();
  /** What was called, in order. */
  readonly calls: Place[] = [];
  isThere = false;

  constructor(place: Place, build: (env: StreamExecutionEnvironment) => void = () => undefined) {
    this.place = place;
    const warn: Logger['warn'] = (message, fields) => void this.log.push(`${message}: ${fields?.['error']}`);
    const ignore = () => undefined;
    const options: EnvironmentOptions = {
      cancellationTimeoutMs: TIMEOUT_MS,
      logger: { debug: ignore, info: ignore, error: ignore, warn },
    };
    const { clock, env } = environment(options);
    this.clock = clock;
    env.enableCheckpointing({ intervalMs: 10, storage: this.#storage() });
    const source = new ScriptedSource<number>([[...scripted(3), PAUSE, { value: 3 }]]);
    this.#hangIn(source);
    env
      .fromSource(source, none, 'In')
      .process<number>(() => ({
        open: () => this.at('function open'),
        processElement: (n, _context, out) => out.collect(n),
        close: () => this.at('function close'),
      }))
      .name('Function')
      .sinkTo(this.#sink())
      .name('Out');
    build(env);
    this.client = env.executeAsync('hangs');
  }

  at(place: Place): Promise<void> {
    this.calls.push(place);
    if (place !== this.place) return Promise.resolve();
    this.isThere = true;
    return this.gate.opened;
  }

  #storage(): CheckpointStorage {
    const storage = new MemoryStorage();
    const { claim, latest, write } = {
      claim: storage.claim.bind(storage),
      latest: storage.latest.bind(storage),
      write: storage.write.bind(storage),
    };
    return Object.assign(storage, {
      claim: (...args: Parameters<typeof claim>) => this.at('storage claim').then(() => claim(...args)),
      latest: () => this.at('storage latest').then(latest),
      write: (...args: Parameters<typeof write>) => this.at('storage write').then(() => write(...args)),
      release: () => this.at('storage release'),
    });
  }

  #hangIn(source: ScriptedSource<number>): void {
    const createReader = source.createReader.bind(source);
    source.createReader = (context) =>
      Object.assign(createReader(context), { close: () => this.at('source reader close') });
    const createEnumerator = source.createEnumerator.bind(source);
    source.createEnumerator = (context, restored) => {
      const enumerator = createEnumerator(context, restored);
      const start = enumerator.start.bind(enumerator);
      return Object.assign(enumerator, {
        start: () => {
          start();
          context.callAsync(
            () => this.at('source find splits'),
            () => undefined,
          );
        },
        close: () => this.at('source enumerator close'),
      });
    };
  }

  #sink(): Sink<number, string> {
    const writer: SinkWriter<number, string> = {
      write: () => undefined,
      backPressure: () => this.at('writer backPressure'),
      flush: (endOfInput) => this.at(endOfInput ? 'writer flush at the end' : 'writer flush'),
      prepareCommit: (checkpointId) => this.at('writer prepareCommit').then(() => [String(checkpointId)]),
      close: () => this.at('writer close'),
    };
    const committer: Committer<string> = {
      recover: () => this.at('committer recover'),
      commit: () => this.at('committer commit'),
      close: () => this.at('committer close'),
    };
    return {
      createWriter: () => this.at('writer create').then(() => writer),
      createCommitter: () => this.at('committer create').then(() => committer),
    };
  }
}

const whileRunning: readonly [Place, string][] = [
  ['storage claim', 'the checkpoint storage memory is claiming'],
  ['storage latest', 'the checkpoint storage memory is reading the newest checkpoint'],
  ['storage write', 'the checkpoint storage memory is writing checkpoint 1'],
  ['committer create', "'Out' (subtask 0) is creating its committer"],
  ['committer recover', "'Out' (subtask 0) is recovering what earlier runs have prepared"],
  ['committer commit', "'Out' (subtask 0) is committing checkpoint 1"],
  ['writer create', "'Out' (subtask 0) is creating its writer"],
  ['writer backPressure', "'Out' (subtask 0) is waiting for room"],
  ['writer flush', "'Out' (subtask 0) is preparing checkpoint 1"],
  ['writer prepareCommit', "'Out' (subtask 0) is preparing checkpoint 1"],
  ['function open', "'Function' (subtask 0) is opening"],
  ['source find splits', "'In' (subtask 0) is finding splits"],
];

const whileClosing: readonly [Place, string][] = [
  ['writer close', "'Out' (subtask 0) is closing"],
  ['function close', "'Function' (subtask 0) is closing"],
  ['source reader close', "'In' (subtask 0) is closing"],
  ['source enumerator close', "'In' (subtask 0) is closing its enumerator"],
  ['committer close', "'Out' (subtask 0) is closing its committer"],
  ['storage release', 'the checkpoint storage memory is being released'],
];

/** Cancels the job; returns how it ended, and how long that took by its clock. */
async function cancelled(job: HangingJob): Promise<{ error: Error; tookMs: number }> {
  const startedAt = job.clock.now();
  let tookMs: number | undefined;
  const result = failureOf(job.client.result);
  void result.then(() => (tookMs = job.clock.now() - startedAt));
  job.client.cancel('enough');
  await until(
    () => tookMs !== undefined,
    () => job.clock.advance(TIMEOUT_MS / 4),
  );
  return { error: await result, tookMs: tookMs! };
}

describe('a job that is cancelled', () => {
  it.each(whileRunning)('ends while its %s hangs, and says who hangs', async (place, name) => {
    const job = new HangingJob(place);
    await until(
      () => job.isThere,
      () => job.clock.advance(1),
    );
    const { error, tookMs } = await cancelled(job);
    expect(error).toMatchObject({ code: 'MILLRACE_CANCELLED' });
    expect(tookMs).toBeGreaterThanOrEqual(TIMEOUT_MS);
    expect(job.log[0]).toContain(`closing failed: ${name}, and has not ended after 5000 ms`);
    expect(job.clock.pending).toBe(0);
  });

  it('ends while a sink hangs at the end of its input, and says who hangs', async () => {
    const job = new HangingJob('writer flush at the end');
    const stopping = failureOf(job.client.stop({ drain: true }));
    await until(
      () => job.isThere,
      () => job.clock.advance(1),
    );
    const { error } = await cancelled(job);
    expect(error).toMatchObject({ code: 'MILLRACE_CANCELLED' });
    expect(await stopping).toMatchObject({ code: 'MILLRACE_CHECKPOINT' });
    expect(job.log[0]).toContain(
      "'Out' (subtask 0) is flushing at the end of input, and has not ended after 5000 ms",
    );
  });

  it.each(whileClosing)('ends while its %s hangs, and says who hangs', async (place, name) => {
    const job = new HangingJob(place);
    await until(
      () => job.client.snapshot().operators[0]?.recordsOut === 3,
      () => job.clock.advance(1),
    );
    const { error, tookMs } = await cancelled(job);
    expect(error).toMatchObject({ code: 'MILLRACE_CANCELLED' });
    expect(tookMs).toBeGreaterThanOrEqual(TIMEOUT_MS);
    expect(job.log).toHaveLength(1);
    expect(job.log[0]).toContain(`closing failed: ${name}, and has not ended after 5000 ms`);
    for (const [other] of whileClosing) expect(job.calls.filter((call) => call === other)).toHaveLength(1);
    expect(job.clock.pending).toBe(0);
  });

  it.each(whileRunning)('waits for its %s, and closes what was made behind it', async (place) => {
    const job = new HangingJob(place);
    await until(
      () => job.isThere,
      () => job.clock.advance(1),
    );
    const before = job.calls.length;
    const result = failureOf(job.client.result);
    job.client.cancel();
    await quiet();
    expect(job.calls.slice(before)).toEqual([]); // nothing is closed, or released, while a call is under way
    job.gate.open();
    expect(await result).toMatchObject({ code: 'MILLRACE_CANCELLED' });
    const made = (what: Place) => job.calls.includes(what);
    const after = job.calls.slice(before);
    expect(after.includes('writer close')).toBe(made('writer create'));
    expect(after.includes('committer close')).toBe(made('committer create'));
    expect(after.at(-1)).toBe('storage release');
    expect(after).not.toContain('storage write');
    expect(job.log).toEqual([]);
    expect(job.clock.pending).toBe(0);
  });

  it.each<Place>(['writer create', 'committer create'])(
    'closes what comes after it was given up: %s',
    async (place) => {
      const job = new HangingJob(place);
      await until(() => job.isThere);
      await cancelled(job);
      job.gate.open();
      await quiet();
      expect(job.calls).toContain(place === 'writer create' ? 'writer close' : 'committer close');
    },
  );

  it('attempt parts invariant 1: does not release a storage that may still write', async () => {
    const job = new HangingJob('storage write');
    await until(
      () => job.isThere,
      () => job.clock.advance(1),
    );
    await cancelled(job);
    expect(job.calls).not.toContain('storage release');
    job.gate.open();
    await quiet();
  });
});

describe('a job that fails', () => {
  it('attempt parts invariant 2: closes a writer when the promise that it has given has settled', async () => {
    const other = new ScriptedSource<number>([[PAUSE, { value: 1 }]]);
    const job = new HangingJob('writer prepareCommit', (env) => {
      env.fromSource(other, none, 'Other').map(boom).name('Risky').print();
    });
    await until(
      () => job.isThere,
      () => job.clock.advance(1),
    );
    other.resume();
    await until(() => job.client.snapshot().status === 'failing');
    await quiet();
    expect(job.calls).not.toContain('writer close');
    job.gate.open();
    expect((await failureOf(job.client.result)).message).toContain("'Risky' (subtask 0) failed");
    expect(job.calls).toContain('writer close');
    expect(job.calls).not.toContain('storage write');
    expect(job.log).toEqual([]);
  });
});
