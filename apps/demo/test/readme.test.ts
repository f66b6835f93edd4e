import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const demo = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const snippet = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';

describe("the README's snippet", () => {
  let folder: string;
  let druid: EmbeddedDruid;

  beforeAll(async () => {
    druid = await EmbeddedDruid.start();
    mkdirSync(join(demo, '.millrace'), { recursive: true });
    folder = mkdtempSync(join(demo, '.millrace', 'readme-')); // inside the package, so that its imports resolve
  });

  afterAll(async () => {
    await druid.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('compiles under strict settings, runs, and counts every click once', async () => {
    writeFileSync(join(folder, 'snippet.ts'), snippet.replace('http://localhost:8888', druid.url));
    const tsc = fileURLToPath(import.meta.resolve('typescript/bin/tsc'));
    const options = [
      '--ignoreConfig',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      'node',
    ];
    const compiled = spawnSync(process.execPath, [tsc, ...options, 'snippet.ts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(compiled.stdout).toBe('');

    const program = spawn(process.execPath, ['snippet.js'], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    expect(await once(program, 'exit')).toEqual([0, null]);

    const client = new DruidClient({ url: druid.url });
    const rows = await client.sql.query('SELECT COUNT(*) AS "rows", SUM(clicks) AS clicks FROM page_counts');
    // Three pages in each of the 167 hours that 10,000 minutes touch.
    expect(rows).toEqual([{ rows: 501, clicks: 10_000 }]);
    client.close();
  }, 240_000);
});
