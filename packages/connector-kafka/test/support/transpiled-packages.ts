import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const folder = join(import.meta.dirname, '../..');

export interface TranspiledPackages {
  /** What a process of its own imports in place of `@millrace/core-stream`, and of this package. */
  readonly coreUrl: string;
  readonly kafkaUrl: string;
  remove(): Promise<void>;
}

/** The sources as a plain Node process can run them, in a directory of their own: never a stale build. */
export async function transpilePackages(): Promise<TranspiledPackages> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-kafka-'));
  const modules = join(directory, 'node_modules');
  await mkdir(join(modules, '@millrace'), { recursive: true });
  for (const name of ['@platformatic', 'zod']) {
    const found = join(folder, 'node_modules', name);
    await symlink(name === 'zod' ? await realpath(found) : found, join(modules, name));
  }
  const core = join(modules, '@millrace/core-stream');
  const kafka = join(modules, '@millrace/connector-kafka');
  await transpile(join(await realpath(join(folder, 'node_modules/@millrace/core-stream')), 'src'), core);
  await transpile(join(folder, 'src'), kafka);
  return {
    coreUrl: pathToFileURL(join(core, 'index.js')).href,
    kafkaUrl: pathToFileURL(join(kafka, 'index.js')).href,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

async function transpile(sources: string, target: string): Promise<void> {
  await mkdir(target);
  await writeFile(join(target, 'package.json'), '{"type":"module","exports":"./index.js"}');
  for (const name of await readdir(sources, { recursive: true })) {
    if (!name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(sources, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
      },
    });
    const file = join(target, name.replace(/\.ts$/, '.js'));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, outputText);
  }
}
