import { describe, expect, it } from 'vitest';

import type { DataFolder } from '../../src/java-runtime/data-folder.js';
import type { JavaExit, JavaProcess } from '../../src/java-runtime/java-process.js';
import { RealServerError } from '../../src/java-runtime/real-server-error.js';
import { launchServer, type ServerPlan } from '../../src/java-runtime/server-launch.js';

/** A process that ends at once because of a taken port, or lives until it is killed. */
const fakeProcess = (lostItsPort: boolean) => {
  const gone: PromiseWithResolvers = withResolvers();
  const state = { killed: false };
  const process = {
    pid: 1,
    exited: gone.promise,
    lostItsPort: () => Promise.resolve(lostItsPort),
    kill: () => {
      state.killed = true;
      gone.resolve({ exitCode: null, signal: 'SIGKILL' });
      return gone.promise;
    },
    unref: () => undefined,
    failure: (code: 'server-died' | 'start-timeout', what: string) =>
      Promise.resolve(new RealServerError(code, what)),
  };
  if (lostItsPort) gone.resolve({ exitCode: 71, signal: null });
  return { process: process as unknown as JavaProcess, state };
};

interface PromiseWithResolvers {
  promise: Promise<JavaExit>;
  resolve: (exit: JavaExit) => void;
}
const withResolvers = (): PromiseWithResolvers => {
  let resolve: (exit: JavaExit) => void = () => {};
  const promise = new Promise<JavaExit>((settle) => (resolve = settle));
  return { promise, resolve };
};

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(new Error('aborted'));
    signal.addEventListener('abort', () => reject(new Error('aborted')));
  });

const planOf = (overrides: Partial<ServerPlan>): { plan: ServerPlan; folder: { released: number } } => {
  const folder = { released: 0 };
  const dataFolder: DataFolder = {
    path: '/data',
    isPersistent: true,
    claim: () => Promise.resolve(),
    release: () => {
      folder.released += 1;
      return Promise.resolve();
    },
  };
  const plan: ServerPlan = {
    ports: 2,
    folder: dataFolder,
    timeoutMs: 60_000,
    signal: undefined,
    report: () => undefined,
    nextStep: 'Try again.',
    spawn: () => Promise.resolve(fakeProcess(false).process),
    untilReady: () => Promise.resolve(),
    ...overrides,
  };
  return { plan, folder };
};

describe('launchServer', () => {
  it('tries other ports when a stranger took one', async () => {
    const tried: number[] = [];
    const { plan } = planOf({
      spawn: ([port = 0]) => {
        tried.push(port);
        return Promise.resolve(fakeProcess(tried.length < 3).process);
      },
      untilReady: (_ports, _onMissing, signal) =>
        tried.length < 3 ? untilAborted(signal) : Promise.resolve(),
    });
    const server = await launchServer(plan);
    expect(new Set(tried).size).toBe(3);
    expect(server.ports[0]).toBe(tried[2]);
    await server.kill();
  });

  it('gives up on ports in the end', async () => {
    const { plan } = planOf({
      spawn: () => Promise.resolve(fakeProcess(true).process),
      untilReady: (_ports, _onMissing, signal) => untilAborted(signal),
    });
    await expect(launchServer(plan)).rejects.toMatchObject({ code: 'server-died' });
  });

  it('tries no other ports than those that the caller has reserved, and keeps them reserved (invariant 2)', async () => {
    const tried: (readonly number[])[] = [];
    const { plan } = planOf({
      ports: [1, 2],
      spawn: (ports) => {
        tried.push(ports);
        return Promise.resolve(fakeProcess(true).process);
      },
      untilReady: (_ports, _onMissing, signal) => untilAborted(signal),
    });
    await expect(launchServer(plan)).rejects.toMatchObject({ code: 'server-died' });
    expect(tried).toEqual([[1, 2]]);
  });

  it('kills the server and names what was missing when time is up (invariant 1)', async () => {
    const { process, state } = fakeProcess(false);
    const { plan, folder } = planOf({
      timeoutMs: 10,
      spawn: () => Promise.resolve(process),
      untilReady: (_ports, onMissing, signal) => {
        onMissing('the Overlord has no worker');
        return untilAborted(signal);
      },
    });
    await expect(launchServer(plan)).rejects.toThrow(
      'was not ready after 0.01 s: the Overlord has no worker',
    );
    expect(state.killed).toBe(true);
    expect(folder.released).toBe(1);
  });

  it("ends with the caller's signal and leaves nothing (invariant 1)", async () => {
    const { process, state } = fakeProcess(false);
    const abort = new AbortController();
    const { plan } = planOf({
      signal: abort.signal,
      spawn: () => Promise.resolve(process),
      untilReady: (_ports, _onMissing, signal) => {
        abort.abort();
        return untilAborted(signal);
      },
    });
    await expect(launchServer(plan)).rejects.toMatchObject({ code: 'aborted' });
    expect(state.killed).toBe(true);
  });
});
