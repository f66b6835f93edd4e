import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transpilePackage, type TranspiledPackage } from './support/transpiled-package.js';

const root = join(import.meta.dirname, '..');
const readme = await readFile(join(root, 'README.md'), 'utf8');
const snippets = [...readme.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)].map(
  ([, code = '', output = '']) => ({
    code,
    output,
  }),
);

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 60_000);
afterAll(() => built.remove());

describe('the README', () => {
  it('has a program, the small contracts, and a test of a job', () => {
    expect(snippets).toHaveLength(3);
  });

  it.each(snippets)('prints what it says: %#', async ({ code, output }) => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-readme-'));
    try {
      const { outputText } = ts.transpileModule(code, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      await writeFile(
        join(directory, 'snippet.mjs'),
        outputText
          .replaceAll("'@millrace/core-stream/testing'", `'${new URL('testing/index.js', built.url).href}'`)
          .replaceAll("'@millrace/core-stream'", `'${built.url}'`),
      );
      const { stdout } = await promisify(execFile)(process.execPath, ['snippet.mjs'], { cwd: directory });
      expect(stdout).toBe(output);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('names tests that exist', async () => {
    for (const [, path = ''] of readme.matchAll(/`(test\/[\w/.-]+)`/g)) {
      if (path.endsWith('.ts')) await expect(readFile(join(root, path), 'utf8')).resolves.not.toBe('');
    }
  });
});
