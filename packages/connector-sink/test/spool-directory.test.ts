import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { safeName, SpoolDirectory } from '../src/spool/spool-directory.js';
import { SpoolLedger } from '../src/spool/spool-ledger.js';
import { temporaryDirectory } from './support/sink-harness.js';

describe('SpoolLedger', () => {
  it('makes writers wait only while a commit can free space (invariant 1)', async () => {
    const ledger = new SpoolLedger(100);
    ledger.add(150);
    expect(ledger.backPressure()).toBeUndefined();
    ledger.commitBegins();
    const wait = ledger.backPressure();
    let isOver = false;
    void wait?.then(() => {
      isOver = true;
    });
    ledger.remove(20);
    await Promise.resolve();
    expect(isOver).toBe(false);
    ledger.remove(40);
    await wait;
    expect(ledger.backPressure()).toBeUndefined();
  });

  it('lets writers go on when the commit ends, whatever it freed', async () => {
    const ledger = new SpoolLedger(100);
    ledger.add(150);
    ledger.commitBegins();
    const wait = ledger.backPressure();
    ledger.commitEnds();
    await wait;
  });
});

describe('SpoolDirectory', () => {
  it('gives every operator and job a directory of its own, whatever their names', () => {
    const names = ['a/b', 'a%2Fb', '..', '.', 'a b', 'A', 'ä', 'x'.repeat(300), `${'x'.repeat(299)}y`];
    const safe = names.map(safeName);
    expect(new Set(safe).size).toBe(names.length);
    for (const name of safe) expect(name).toMatch(/^[A-Za-z0-9%_-]{1,120}$/);
  });

  it('says that it cannot be made', async () => {
    const root = await temporaryDirectory();
    const blocked = join(root, 'file');
    await writeFile(blocked, '');
    await expect(
      new SpoolDirectory(blocked, { operatorUid: 'sink', jobId: 'job' }).prepare(),
    ).rejects.toThrow(/spool directory '.*' cannot be made: (ENOTDIR|EEXIST)/);
  });
});
