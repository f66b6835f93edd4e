/** A start that is cancelled, wherever it is: what lies outside of the job is closed, and not asked for anything else. */
import { expect, it } from 'vitest';
import {
  ValueStateDescriptor,
  type Committer,
  type Sink,
  type SinkWriter,
  type ValueState,
} from '../../src/index.js';
import { createGate, failureOf, quiet, until } from '../support/conditions.js';
import { environment, none, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

type At = (call: string) => Promise<void>;

/** Two keyed operators, each with a sink, from a savepoint where there is one. */
function start(at: At, savepoint?: MemoryStorage) {
  const { env, clock } = environment();
  const storage = storageOf(at);
  const restore = savepoint && ({ savepoint: readOf(savepoint, at) } as const);
  env.enableCheckpointing({ intervalMs: 1e9, storage, ...(restore && { restore }) });
  const source = new ScriptedSource<number>([scripted(6)], { boundedness: 'unbounded' });
  const createEnumerator = source.createEnumerator.bind(source);
  source.createEnumerator = (...args) => {
    void at('enumerator create');
    return createEnumerator(...args);
  };
  const createReader = source.createReader.bind(source);
  source.createReader = (context) => {
    void at('reader create');
    return createReader(context);
  };
  const input = env.fromSource(source, none, 'In').uid('in');
  for (const name of ['a', 'b']) {
    input
      .keyBy((n) => n % 2)
      .process<number>(() => {
        let last: ValueState<number>;
        return {
          open(context) {
            last = context.getState(new ValueStateDescriptor('last'));
            return at(`${name} open`);
          },
          processElement: (n) => last.update(n),
        };
      })
      .uid(name)
      .sinkTo(sinkOf(name, at))
      .uid(`${name} sink`);
  }
  return { client: env.executeAsync('job'), source, clock };
}

function storageOf(at: At): MemoryStorage {
  const storage = new MemoryStorage();
  const { claim, latest, putSegment } = storage;
  return Object.assign(storage, {
    claim: (...args: Parameters<typeof claim>) => at('storage claim').then(() => claim.apply(storage, args)),
    latest: () => at('storage latest').then(() => latest.call(storage)),
    putSegment: (...args: Parameters<typeof putSegment>) =>
      at('storage putSegment').then(() => putSegment.apply(storage, args)),
  });
}

function readOf(savepoint: MemoryStorage, at: At): MemoryStorage {
  const { readSegment } = savepoint;
  return Object.assign(Object.create(savepoint) as MemoryStorage, {
    latest: () => at('savepoint latest').then(() => savepoint.latest()),
    readSegment: (...args: Parameters<typeof readSegment>) =>
      at('savepoint readSegment').then(() => readSegment.apply(savepoint, args)),
  });
}

function sinkOf(name: string, at: At): Sink<number, string> {
  const writer: SinkWriter<number, string> = {
    write: () => undefined,
    flush: () => undefined,
    close: () => at(`${name} writer close`),
  };
  const committer: Committer<string> = {
    recover: () => at(`${name} recover`),
    commit: () => Promise.resolve(),
    close: () => at(`${name} committer close`),
  };
  return {
    createWriter: () => at(`${name} writer create`).then(() => writer),
    createCommitter: () => at(`${name} committer create`).then(() => committer),
  };
}

it('attempt parts invariant 4: makes and changes nothing any more, whatever call of the start was under way', async () => {
  const savepoint = new MemoryStorage();
  const first = start(() => Promise.resolve());
  await until(() => first.source.emitted === 6);
  await first.client.stop({ savepoint });

  const places = new Set<string>();
  const begun: string[] = [];
  for (let hangsAt = 0; ; hangsAt++) {
    const calls: string[] = [];
    const gate = createGate();
    const { client } = start((call) => {
      calls.push(call);
      return calls.length === hangsAt + 1 ? gate.opened : Promise.resolve();
    }, savepoint);
    const result = failureOf(client.result);
    await until(() => calls.length > hangsAt || calls.at(-1) === 'reader create');
    const hasStarted = calls.length <= hangsAt;
    await quiet();
    const before = calls.splice(0);
    places.add(before.at(-1)!);
    client.cancel();
    await quiet();
    gate.open();
    expect(await result).toMatchObject({ code: 'MILLRACE_CANCELLED' });
    for (const call of calls) {
      if (!/(close|latest|readSegment)$/.test(call)) begun.push(`${call}, cancelled while ${before.at(-1)!}`);
    }
    if (hasStarted) break;
  }
  expect(begun).toEqual([]);
  expect([...places]).toEqual([
    'storage claim',
    'storage latest',
    'savepoint latest',
    'savepoint readSegment',
    'b open',
    'a open',
    'a committer create',
    'b committer create',
    'a recover',
    'b recover',
    'storage putSegment',
    'reader create',
    'a writer create',
    'b writer create',
  ]);
});
