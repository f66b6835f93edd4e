import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { snippetsOf } from '../../../tooling/guide-programs.js';
import { runSnippet } from './support/snippets.js';
import { transpilePackage, type TranspiledPackage } from './support/transpiled-package.js';

const root = join(import.meta.dirname, '..');
const readme = await readFile(join(root, 'README.md'), 'utf8');
const snippets = snippetsOf(readme);

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 240_000);
afterAll(() => built.remove());

describe('the README', () => {
  it('has a program, the small contracts, and a test of a job', () => {
    expect(snippets).toHaveLength(3);
  });

  it.each(snippets)('prints what it says: %#', async ({ code, output }) => {
    expect(await runSnippet(code, built)).toBe(output);
  });

  it('names tests that exist', async () => {
    for (const [, path = ''] of readme.matchAll(/`(test\/[\w/.-]+)`/g)) {
      if (path.endsWith('.ts')) await expect(readFile(join(root, path), 'utf8')).resolves.not.toBe('');
    }
  });
});
