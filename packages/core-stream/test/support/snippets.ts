import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import type { TranspiledPackage } from './transpiled-package.js';

/** Runs a program in a process and a directory of its own; returns what it prints. */
export async function runSnippet(code: string, built: TranspiledPackage): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-snippet-'));
  try {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const linked = outputText.replaceAll(
      /@millrace\/core-stream(?:\/([a-z-]+))?/g,
      (_, entry?: string) => new URL(entry === undefined ? 'index.js' : `${entry}/index.js`, built.url).href,
    );
    await writeFile(join(directory, 'snippet.mjs'), linked);
    const { stdout } = await promisify(execFile)(process.execPath, ['snippet.mjs'], { cwd: directory });
    return stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
