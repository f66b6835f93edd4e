import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const sources = join(import.meta.dirname, '../../src');

export interface TranspiledPackage {
  /** What a process of its own imports in place of the package. */
  readonly url: string;
  remove(): Promise<void>;
}

/** The sources as a plain Node process can run them, in a directory of their own: never a stale build, never half of one. */
export async function transpilePackage(): Promise<TranspiledPackage> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-core-stream-'));
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  await symlink(join(sources, '../node_modules'), join(directory, 'node_modules'));
  for (const name of await readdir(sources, { recursive: true })) {
    if (!name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(sources, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(directory, name.replace(/\.ts$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
  return {
    url: pathToFileURL(join(directory, 'index.js')).href,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
