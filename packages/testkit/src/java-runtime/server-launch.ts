/**
 * Role: from a free block of ports to a server that is ready, and back to nothing.
 * Boundary: what every server here has in common; what "ready" means is the plan's business.
 *
 * 1. `launchServer` settles only when the server is ready, or when nothing of it is left but its log.
 * 2. The ports stay reserved for as long as the process lives; those that the caller has reserved stay the caller's.
 * 3. A data folder that the caller named is never removed; a temporary one is, when the server is stopped.
 */
import type { DataFolder } from './data-folder.js';
import type { JavaProcess } from './java-process.js';
import { reservePorts, type PortReservation } from './port-reservation.js';
import { RealServerError, throwIfAborted } from './real-server-error.js';
import type { ReportProgress } from './start-progress.js';

const PORT_ATTEMPTS = 3;
/** Longer than ParentWatch waits by itself. */
const STOP_GRACE_MS = 15_000;

export interface ServerPlan {
  /** How many ports to reserve, or those that the caller has reserved: the server is then not tried on others. */
  readonly ports: number | readonly number[];
  readonly folder: DataFolder;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly report: ReportProgress;
  /** Ends the message of an error. */
  readonly nextStep: string;
  spawn(ports: readonly number[]): Promise<JavaProcess>;
  /** Resolves when the server is usable; rejects with the signal's reason. */
  untilReady(
    ports: readonly number[],
    onMissing: (missing: string) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

/** A server that is ready. */
export class LaunchedServer {
  readonly process: JavaProcess;
  readonly ports: readonly number[];
  readonly #folder: DataFolder;
  readonly #portsReleased: Promise<void>;

  constructor(process: JavaProcess, reservation: PortReservation, folder: DataFolder) {
    this.process = process;
    this.ports = reservation.ports;
    this.#folder = folder;
    this.#portsReleased = process.exited.then(() => reservation.release());
    process.unref();
  }

  /** Idempotent. What a temporary folder holds is not worth an orderly end. */
  async stop(): Promise<void> {
    if (this.#folder.isPersistent) await this.process.stop(STOP_GRACE_MS);
    await this.kill();
    await this.#folder.release();
  }

  async kill(): Promise<void> {
    await this.process.kill();
    await this.#portsReleased;
  }
}

/** Launches again on other ports when a stranger took one before the server could bind it. */
export const launchServer = async (plan: ServerPlan): Promise<LaunchedServer> => {
  for (let attempt = 1; ; attempt++) {
    const reservation = await reservationOf(plan.ports);
    let process: JavaProcess | undefined;
    try {
      process = await plan.spawn(reservation.ports);
      await plan.folder.claim(process.pid);
      await untilReady(plan, process, reservation.ports);
      return new LaunchedServer(process, reservation, plan.folder);
    } catch (error) {
      const lostItsPort = (await process?.lostItsPort()) ?? false;
      await process?.kill();
      reservation.release();
      if (lostItsPort && attempt < PORT_ATTEMPTS && typeof plan.ports === 'number') {
        plan.report({ phase: 'start', message: 'Another program took a port; trying others' });
        continue;
      }
      const wasAborted = RealServerError.is(error) && error.code === 'aborted';
      if (plan.folder.isPersistent || wasAborted) await plan.folder.release(); // else the log would go with it
      throw error;
    }
  }
};

/** Invariant 2. */
const reservationOf = async (ports: ServerPlan['ports']): Promise<PortReservation> =>
  typeof ports === 'number' ? reservePorts(ports) : { ports, release: () => undefined };

const untilReady = async (
  plan: ServerPlan,
  process: JavaProcess,
  ports: readonly number[],
): Promise<void> => {
  const end = new AbortController();
  const timeout = setTimeout(() => end.abort('timeout'), plan.timeoutMs);
  const onAbort = (): void => end.abort('aborted');
  plan.signal?.addEventListener('abort', onAbort, { once: true });
  void process.exited.then(() => end.abort('died'));
  let missing = 'the process has only just begun';
  const reported = new Set<string>();
  const onMissing = (now: string): void => {
    if (!reported.has(now)) plan.report({ phase: 'start', message: `Waiting: ${now}` });
    reported.add(now);
    missing = now;
  };
  try {
    throwIfAborted(plan.signal, 'The start');
    await plan.untilReady(ports, onMissing, end.signal);
  } catch (error) {
    throwIfAborted(plan.signal, 'The start');
    if (end.signal.reason === 'died') {
      throw await process.failure('server-died', 'ended before it was ready', plan.nextStep);
    }
    if (end.signal.reason === 'timeout') {
      const what = `was not ready after ${plan.timeoutMs / 1000} s: ${missing}`;
      throw await process.failure('start-timeout', what, plan.nextStep, { timeoutMs: plan.timeoutMs });
    }
    throw error;
  } finally {
    clearTimeout(timeout);
    plan.signal?.removeEventListener('abort', onAbort);
  }
};
