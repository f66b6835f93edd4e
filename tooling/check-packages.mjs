/** Packs every published package as npm would get it, and checks the tarball with publint and attw. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './steps.mjs';

const directory = mkdtempSync(join(tmpdir(), 'millrace-pack-'));
let failures = 0;
try {
  for (const name of readdirSync('packages')) {
    const folder = join('packages', name);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (manifest.private) continue;
    const packed = run('pnpm', ['pack', '--silent', '--pack-destination', directory], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const tarball = join(directory, `millrace-${name}-${manifest.version}.tgz`);
    const isSound =
      packed === 0 &&
      run('pnpm', ['exec', 'publint', 'run', tarball, '--strict']) === 0 &&
      run('pnpm', [
        'exec',
        'attw',
        tarball,
        '--profile',
        'esm-only',
        '--format',
        'ascii',
        '--no-emoji',
        '--quiet',
      ]) === 0;
    console.log(`${isSound ? '✓' : '✗'} ${manifest.name}`);
    if (!isSound) failures += 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit(failures === 0 ? 0 : 1);
