/**
 * Role: picks ports for a server that binds them only seconds later.
 * Boundary: 127.0.0.1 of this machine.
 *
 * 1. Ports lie below every system's range for outgoing connections (32768 on Linux, 49152 elsewhere), so that
 *    neither a client nor a `listen(0)` can take one between picking and binding.
 * 2. Two processes that use this module never hold the same block: each block has a file, created exclusively.
 * 3. A file whose process is gone does not block its ports.
 * 4. Every port handed out could be bound a moment ago. A stranger may still take one: the caller starts again with
 *    another block when its server reports that.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isProcessAlive } from './build-once.js';

const FIRST_PORT = 20_000;
const BLOCK = 10;
const BLOCKS = 1_000;

export interface PortReservation {
  readonly ports: readonly number[];
  /** Gives the block back; call it when the server is gone. */
  release(): void;
}

export interface PortReservationOptions {
  /** Folder of the block files, shared by all processes of the machine. */
  readonly folder?: string;
  /** From 0 up to 1, for the block to try first. */
  readonly random?: () => number;
}

/**
 * Reserves `count` (at most 10) free ports on 127.0.0.1.
 *
 * @throws Error when none of 1,000 blocks is free.
 */
export const reservePorts = async (
  count: number,
  { folder = join(tmpdir(), 'millrace-testkit-ports'), random = Math.random }: PortReservationOptions = {},
): Promise<PortReservation> => {
  if (count > BLOCK) throw new RangeError(`At most ${BLOCK} ports can be reserved together, not ${count}`);
  mkdirSync(folder, { recursive: true, mode: 0o777 });
  const first = Math.floor(random() * BLOCKS);
  for (let step = 0; step < BLOCKS; step++) {
    const block = (first + step) % BLOCKS;
    const file = join(folder, `${FIRST_PORT + block * BLOCK}`);
    if (!claim(file)) continue;
    const ports = Array.from({ length: count }, (_, index) => FIRST_PORT + block * BLOCK + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) {
      return { ports, release: () => rmSync(file, { force: true }) };
    }
    rmSync(file, { force: true });
  }
  throw new Error(`No ${count} adjacent ports from ${FIRST_PORT} to ${FIRST_PORT + BLOCKS * BLOCK} are free`);
};

/** Invariants 2 and 3. */
const claim = (file: string): boolean => {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const holder = holderOf(file);
    // A file of a dead process is only removed here; the block is for whoever creates it next.
    if (holder !== undefined && !isProcessAlive(holder)) rmSync(file, { force: true });
    return false;
  }
};

const holderOf = (file: string): number | undefined => {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
};

/** Invariant 4. */
const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
