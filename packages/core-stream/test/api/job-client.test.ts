import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RestartStrategies, type JobClient } from '../../src/index.js';
import { quiet, until } from '../support/conditions.js';
import {
  boom,
  environment,
  none,
  numbers,
  refuseUnhandledRejections,
  scripted,
} from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

type Call = 'stop' | 'stop with savepoint' | 'drain' | 'drain with savepoint' | 'savepoint' | 'cancel';
const calls: readonly Call[] = [
  'stop',
  'stop with savepoint',
  'drain',
  'drain with savepoint',
  'savepoint',
  'cancel',
];
const happenings = [
  'advance',
  'resume',
  'fail',
  'fail a commit',
  'fail a write',
  'fail a savepoint',
  'wait',
] as const;

function call(client: JobClient, what: Call, target: MemoryStorage): Promise<unknown> | undefined {
  switch (what) {
    case 'stop':
      return client.stop();
    case 'stop with savepoint':
      return client.stop({ savepoint: target });
    case 'drain':
      return client.stop({ drain: true });
    case 'drain with savepoint':
      return client.stop({ drain: true, savepoint: target });
    case 'savepoint':
      return client.triggerSavepoint(target);
    case 'cancel':
      client.cancel();
      return undefined;
  }
}

describe('the client of a job', () => {
  it('is answered whatever happens, once the job has ended; what was committed was committed once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...calls, ...happenings), { maxLength: 14 }),
        fc.nat({ max: 2 }),
        async (events, tolerableFailures) => {
          const { clock, env } = environment();
          const storage = new MemoryStorage();
          const system = new ExternalSystem<number>();
          const failing = new Set<string>();
          const fault = (point: string) => {
            if (failing.delete(point)) boom();
          };
          storage.beforeWrite = () => fault('write');
          env.enableCheckpointing({ intervalMs: 10, storage, tolerableFailures, timeoutMs: 25 });
          env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 3, delayMs: 15 }));
          const source = new ScriptedSource<number>(
            [[...scripted(5), PAUSE, ...scripted(5), PAUSE, ...scripted(5)]],
            { batch: 2 },
          );
          let faults = 0;
          env
            .fromSource(source, none, 'In')
            .map((n) => {
              if (faults-- > 0) boom();
              return n;
            })
            .sinkTo(new TransactionalSink(system, fault));
          const client = env.executeAsync('asked');
          let hasEnded = false;
          const result = client.result.finally(() => (hasEnded = true)).catch(() => undefined);
          const answers: Promise<unknown>[] = [];
          let open = 0;
          for (const event of [...events, 'cancel' as const]) {
            switch (event) {
              case 'advance':
                clock.advance(15);
                break;
              case 'resume':
                source.resume();
                break;
              case 'fail':
                faults = 1;
                source.resume();
                break;
              case 'fail a commit':
                failing.add('before commit');
                break;
              case 'fail a write':
                failing.add('write');
                break;
              case 'fail a savepoint':
                failing.add('savepoint');
                break;
              case 'wait':
                await quiet(20);
                break;
              default: {
                const target = new MemoryStorage();
                target.beforeWrite = () => fault('savepoint');
                const answer = call(client, event, target);
                if (answer === undefined) break;
                open++;
                answers.push(answer.catch(() => undefined).finally(() => open--));
              }
            }
            await quiet(1 + (events.length % 3));
          }
          await until(
            () => hasEnded,
            () => clock.advance(1),
          );
          await quiet();
          expect(open).toBe(0);
          await Promise.all([...answers, result]);
          const all = [...numbers(5), ...numbers(5), ...numbers(5)];
          expect(system.visible).toEqual(all.slice(0, system.visible.length));
          expect(clock.pending).toBe(0);
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 100) },
    );
  });
});
