import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');

async function newest(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const times = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).mtimeMs));
  return Math.max(0, ...times);
}

/** Builds `dist` where it is missing or older than the sources: a process of its own runs what is built. */
export async function buildPackage(): Promise<void> {
  const built = await stat(join(root, 'dist/.tsbuildinfo')).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  if (built > (await newest(join(root, 'src')))) return;
  const compiler = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  await promisify(execFile)(process.execPath, [compiler, '-b'], { cwd: root });
}
