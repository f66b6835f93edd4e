/** A state store that LMDB cannot open: it ends the process. */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { diskStateBackend } from '../../src/disk-state/index.js';
import { silentLogger, type StateBackend } from '../../src/index.js';
import type { StateBackendContext } from '../../src/state/state-backend.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

let built: TranspiledPackage;
beforeAll(async () => {
  built = await transpilePackage();
}, 240_000);
afterAll(() => built.remove());

const jobId = 'job';
const context = { jobId, logger: silentLogger, hasCheckpoints: true, restored: undefined };

/** Opens and closes it, as a job does that goes on from what the store has last written. */
async function openAgain(backend: StateBackend, run: string, messages: string[]): Promise<void> {
  const restored: StateBackendContext['restored'] = { checkpointId: 1, run, hasOtherKeys: false };
  const logger = { ...silentLogger, info: (message: string) => void messages.push(message) };
  const store = await backend.open({ ...context, restored, logger });
  await store.ready();
  await store.close();
}

function openInChild(directory: string, run: string): Promise<unknown> {
  const program = `
    import { diskStateBackend } from '${new URL('disk-state/index.js', built.url).href}';
    const none = () => undefined;
    const logger = { debug: none, info: none, warn: none, error: none };
    const restored = { checkpointId: 1, run: '${run}', hasOtherKeys: false };
    const backend = diskStateBackend({ directory: ${JSON.stringify(directory)} });
    await backend.open({ jobId: '${jobId}', logger, hasCheckpoints: true, restored });
    console.log('opened');
    process.exit(0);
  `;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
}

it('disk state backend invariant 1: ends one process only, the next one fills it anew', async () => {
  const directory = temporaryDirectory();
  const backend = diskStateBackend({ directory });
  const first = await backend.open(context);
  await first.ready();
  await first.close();
  const messages: string[] = [];
  await openAgain(backend, first.run!, messages);
  expect(messages).toEqual(['state on disk is taken back to the restored checkpoint']);

  const file = join(directory, 'store/data.mdb');
  const { length } = await readFile(file);
  await writeFile(file, Buffer.alloc(length, 0x5a));
  expect(await openInChild(directory, first.run!)).not.toBe(0); // SIGSEGV
  await openAgain(backend, first.run!, messages);
  expect(messages.slice(1)).toEqual(['state on disk is filled from the checkpoint']);
}, 240_000);
