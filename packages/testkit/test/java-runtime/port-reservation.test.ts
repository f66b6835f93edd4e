import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { reservePorts } from '../../src/java-runtime/port-reservation.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ports-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

// The end of the range, where no server of another test on this machine is likely to be.
const random = (): number => 0.99;

describe('reservePorts', () => {
  it('hands out ports below the ranges for outgoing connections (invariant 1)', async () => {
    const { ports, release } = await reservePorts(7, { folder });
    expect(ports).toHaveLength(7);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(20_000);
    expect(Math.max(...ports)).toBeLessThan(32_768);
    release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('never hands out a block twice (invariant 2)', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => reservePorts(7, { folder, random })));
    expect(new Set(all.flatMap(({ ports }) => ports)).size).toBe(35);
  });

  it('frees the block of a dead process (invariant 3)', async () => {
    const dead = spawnSync(process.execPath, ['-e', '0']).pid;
    const first = await reservePorts(1, { folder, random });
    first.release();
    await writeFile(join(folder, String(first.ports[0])), String(dead));
    await reservePorts(1, { folder, random });
    const again = await reservePorts(1, { folder, random });
    expect(again.ports).toEqual(first.ports);
  });

  it('skips a block in which a stranger listens (invariant 4)', async () => {
    const first = await reservePorts(3, { folder, random });
    first.release();
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(first.ports[1], '127.0.0.1', resolve));
    const second = await reservePorts(3, { folder, random });
    expect(second.ports).not.toContain(first.ports[1]);
    await new Promise((resolve) => stranger.close(resolve));
  });

  it('refuses more ports than a block has', async () => {
    await expect(reservePorts(11, { folder })).rejects.toThrow('At most 10');
  });
});
