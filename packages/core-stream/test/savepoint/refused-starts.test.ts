/** A program that does not fit what it is to go on from: told everything at once, and nothing is changed. */
import { describe, expect, it } from 'vitest';
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  BlobCheckpointStorage,
  CheckpointError,
  heapStateBackend,
  ListStateDescriptor,
  MapStateDescriptor,
  StateSchema,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type KeyedRuntimeContext,
  type Logger,
  type RuntimeContext,
  type StateBackend,
} from '../../src/index.js';
import { MemoryBlobStore } from '../../src/testing/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf } from '../support/conditions.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { recordingLogger, refuseUnhandledRejections } from '../support/environment.js';
import { startPhase, type PhasedJob } from '../support/phases.js';

refuseUnhandledRejections();

const KEYS = 20;
const inputs = [0, 1, 2].map((phase) =>
  Array.from({ length: 40 }, (_, i) => ({ value: phase * 40 + i, timestamp: phase * 40 + i })),
);

/** The parts of the program; a test changes some of them. */
interface Parts {
  states(context: KeyedRuntimeContext): void;
  operatorStates(context: RuntimeContext): void;
  readonly uids: { readonly keyed: string; readonly listed: string };
  readonly windowMs: number;
  readonly rules: MapStateDescriptor<string, number>;
  readonly keySchema: StateSchema<number>;
}

const two = StateSchema.startingAt<number>(2);

const RIGHT: Parts = {
  states(context) {
    context.getState(new ValueStateDescriptor<number>('kind'));
    context.getState(new ValueStateDescriptor('ageing', { ttl: { ttlMs: 1e9 } }));
    context.getState(new ValueStateDescriptor<number>('newer', { schema: two }));
    context.getState(new ValueStateDescriptor<number>('older', { schema: two }));
  },
  operatorStates(context) {
    const list = context.getOperatorListState(new ListStateDescriptor<number>('mode'));
    if (list.get().length === 0) list.add(1);
  },
  uids: { keyed: 'keyed', listed: 'listed' },
  windowMs: 1000,
  rules: new MapStateDescriptor<string, number>('rules', { schema: two }),
  keySchema: two,
};

/** Counts by key, so that what it goes on from shows in what it emits. */
function job(changes: Partial<Parts> = {}): PhasedJob<number> {
  const { states, operatorStates, uids, windowMs, rules, keySchema } = { ...RIGHT, ...changes };
  return {
    inputs,
    build(stream: DataStream<number>) {
      const broadcast = stream
        .filter((n) => n < 3)
        .uid('few')
        .setParallelism(1)
        .broadcast(rules);
      const listed = stream
        .process<number>((context) => ({
          open: () => operatorStates(context),
          processElement: (n, _context, out) => out.collect(n),
        }))
        .uid(uids.listed);
      listed
        .keyBy((n) => n % KEYS)
        .window(TumblingEventTimeWindows.of(windowMs))
        .reduce((a, b) => a + b)
        .uid('windows')
        .sinkTo(new CollectingSink<number>())
        .uid('windowed');
      listed
        .connect(broadcast)
        .process<number>(() => ({
          processElement: (n, _context, out) => out.collect(n),
          processBroadcastElement: (n, context) => context.getBroadcastState(rules).put(String(n), n),
        }))
        .uid('ruled')
        .sinkTo(new CollectingSink<number>())
        .uid('rules-out');
      return listed
        .keyBy((n) => n % KEYS, { schema: keySchema })
        .process<string>((context) => {
          const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
          return {
            open: (opening) => states(opening),
            processElement(_n, { currentKey }, out) {
              count.update(count.value()! + 1);
              out.collect(`${String(currentKey)} ${count.value()!}`);
            },
          };
        })
        .uid(uids.keyed);
    },
  };
}

const expected = (phases: number) =>
  inputs
    .slice(0, phases)
    .flat()
    .map(({ value }) => `${value % KEYS} ${Math.floor(value / KEYS) + 1}`);

const phase = { parallelism: 2, version: 1 };

/** One phase, ended with a checkpoint or a savepoint; `start` starts others that go on from that. */
async function firstPhase(backend: StateBackend, via: 'storage' | 'savepoint') {
  const stores = {
    storage: new MemoryBlobStore(),
    savepoint: new MemoryBlobStore(),
    next: new MemoryBlobStore(),
  };
  const config = { storage: new BlobCheckpointStorage(stores.storage) };
  const { client, sink } = await startPhase(job(), 0, phase, { config, backend });
  const savepoint = new BlobCheckpointStorage(stores.savepoint);
  await client.stop(via === 'savepoint' ? { savepoint } : {});
  await client.result;
  const start = (changes: Partial<Parts>, index: number, logger?: Logger) => {
    const config =
      via === 'savepoint'
        ? { storage: new BlobCheckpointStorage(stores.next), restore: { savepoint } }
        : { storage: new BlobCheckpointStorage(stores.storage) };
    return startPhase(job(changes), index, phase, { config, backend, ...(logger && { logger }) });
  };
  return { first: sink.values, start, objects: stores[via].objects, next: stores.next.objects };
}

/** All objects but those that say who uses the storage. */
function contentOf(objects: ReadonlyMap<string, Uint8Array>): Map<string, string> {
  const named = [...objects].filter(([name]) => !name.startsWith('owners/'));
  return new Map(named.map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]));
}

let migrated = 0;
const throwing = (context: KeyedRuntimeContext) => {
  RIGHT.states(context);
  const schema = StateSchema.initial<number>().migrate((count): number => {
    migrated++;
    if (migrated > KEYS / 2) throw new Error('no such count');
    return -count;
  });
  context.getState(new ValueStateDescriptor('count', { schema, defaultValue: 0 }));
};

const wrong: Record<string, Partial<Parts>> = {
  'state of another kind': {
    states: (context) => void context.getListState(new ListStateDescriptor('kind')),
  },
  'state whose TTL was switched off': {
    states: (context) => void context.getState(new ValueStateDescriptor('ageing')),
  },
  'state of a newer version': {
    states: (context) => void context.getState(new ValueStateDescriptor('newer')),
  },
  'a migration that throws': { states: throwing },
  'windows of another size': { windowMs: 500 },
  'an operator that is gone': { uids: { keyed: 'other', listed: 'listed' } },
};

describe.each(['heap', 'disk'] as const)('a start that is refused, with state on %s', (where) => {
  const backendOf = () =>
    where === 'heap'
      ? heapStateBackend()
      : diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 3_000 });

  it.each(
    Object.entries(wrong).flatMap(([name, changes]) => [
      { name, via: 'storage' as const, changes },
      { name, via: 'savepoint' as const, changes },
    ]),
  )(
    'P8: because of $name leaves the $via as it was, and the right program goes on',
    async ({ changes, via }) => {
      const { first, start, objects } = await firstPhase(backendOf(), via);
      const before = contentOf(objects);
      migrated = 0;
      for (let time = 0; time < 2; time++) {
        expect(await failureOf(start(changes, 1))).toMatchObject({
          code: expect.any(String),
          retryable: false,
        });
      }
      expect(contentOf(objects)).toEqual(before);
      const { client, sink } = await start({}, 1);
      await client.stop();
      await client.result;
      const last = await start({}, 2);
      await last.client.stop({ drain: true });
      await last.client.result;
      expect([...first, ...sink.values, ...last.sink.values].toSorted()).toEqual(expected(3).toSorted());
    },
  );

  it('P8: is told every difference at once, and no migration is run', async () => {
    const { start, next } = await firstPhase(backendOf(), 'savepoint');
    let calls = 0;
    const four = StateSchema.startingAt<number>(3).migrate((n) => n);
    const error = await failureOf(
      start(
        {
          states(context) {
            const schema = StateSchema.initial<number>().migrate((n) => {
              calls++;
              return n;
            });
            context.getState(new ValueStateDescriptor('count', { schema, defaultValue: 0 }));
            context.getMapState(new MapStateDescriptor('kind'));
            context.getState(new ValueStateDescriptor('ageing'));
            context.getState(new ValueStateDescriptor('newer'));
            context.getState(new ValueStateDescriptor('older', { schema: four }));
          },
          operatorStates: (context) =>
            void context.getUnionListState(new ListStateDescriptor<number>('mode')),
          windowMs: 500,
          rules: new MapStateDescriptor<string, number>('rules'),
        },
        1,
      ),
    );
    expect(error).toBeInstanceOf(CheckpointError);
    expect(calls).toBe(0);
    expect(error.message).toMatchInlineSnapshot(`
      "The program does not fit checkpoint 1 in memory (7 differences):
        - 'Window Reduce' (uid 'windows'): The checkpoint has 'reduce in windows of TumblingEventTimeWindows(1000 ms)' for 'Window Reduce', the program has 'reduce in windows of TumblingEventTimeWindows(500 ms)'. Open windows cannot change their kind or size: give the operator another uid, and begin afresh.
        - 'BroadcastProcess' (uid 'ruled'): Broadcast state 'rules' has version 2 in the checkpoint, but version 1 in the program, which is older. Start the newer program, or an older checkpoint.
        - 'Process' (uid 'listed'): Operator state 'mode' is split state, but is asked for as union state. Use another name for the new state.
        - 'KeyedProcess' (uid 'keyed'): State 'kind' is value state, but is asked for as map state. Use another name for the new state.
        - 'KeyedProcess' (uid 'keyed'): State 'ageing' has a TTL in the checkpoint, but none in the program. A TTL cannot be switched on or off for state that exists: set it back, or use another name for the new state.
        - 'KeyedProcess' (uid 'keyed'): State 'newer' has version 2 in the checkpoint, but version 1 in the program, which is older. Start the newer program, or an older checkpoint.
        - 'KeyedProcess' (uid 'keyed'): State 'older' has version 2 in the checkpoint, but the program reads versions from 3 on. Start a program that still migrates version 2 first.
      The job was not started, and what is stored is as it was."
    `);
    expect([...next.keys()].filter((name) => /^(chk|segments)/.test(name))).toEqual([]);
  });

  it('is told of operators and of states together', async () => {
    const { start } = await firstPhase(backendOf(), 'storage');
    const error = await failureOf(
      start(
        {
          uids: { keyed: 'other', listed: 'ruled-not' },
          keySchema: StateSchema.initial(),
          rules: new MapStateDescriptor<string, number>('rules'),
        },
        1,
      ),
    );
    expect(error.message).toContain("state of an operator with uid 'keyed'");
    expect(error.message).toContain("state of an operator with uid 'listed'");
    expect(error.message).toContain("Broadcast state 'rules' has version 2 in the checkpoint, but version 1");
    expect(error.message).toContain('(3 differences)');
  });
});

it('a start that is refused costs the next one no filling of the state on disk', async () => {
  const backend = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 3_000 });
  const { start } = await firstPhase(backend, 'storage');
  for (const name of ['state of another kind', 'an operator that is gone', 'a migration that throws']) {
    await failureOf(start(wrong[name]!, 1));
  }
  const log: string[] = [];
  const { client } = await start({}, 1, recordingLogger(log));
  await client.stop();
  expect(log).toContain('state on disk is taken back to the restored checkpoint');
});

describe('a start from a damaged savepoint', () => {
  it.each([
    ['the state', /state-/, "'"],
    ['a segment', /^segments\/keyed/, "segment 'keyed-savepoint-"],
    ['the manifest', /MANIFEST/, 'chk-1'],
  ])('is refused by name: a bit of %s has flipped', async (_what, object, message) => {
    const { start, objects } = await firstPhase(heapStateBackend(), 'savepoint');
    const [, bytes] = [...objects].find(([name]) => object.test(name))!;
    bytes[bytes.length >> 1]! ^= 1;
    const error = await failureOf(start({}, 1));
    expect(error).toMatchObject({ code: 'MILLRACE_CHECKPOINT' });
    expect(error.message).toContain(message);
  });

  it.each([
    ['its state', /state-/, 'memory/chk-1, cannot be trusted: its state-1.bin is missing'],
    ['its manifest', /MANIFEST/, 'There is no savepoint in memory'],
    ['a segment', /^segments\/keyed/, "its segment 'keyed-savepoint-"],
  ])('is refused by name: %s is missing', async (_what, object, message) => {
    const { start, objects } = await firstPhase(heapStateBackend(), 'savepoint');
    for (const name of objects.keys()) if (object.test(name)) objects.delete(name);
    const error = await failureOf(start({}, 1));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(message);
  });
});
