import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

export interface BuiltTool {
  /** What Node runs. */
  readonly path: string;
  remove(): Promise<void>;
}

/** The sources as a plain Node process can run them, in a directory of their own: never a stale build, never half of one. */
export async function buildTool(): Promise<BuiltTool> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-druid-client-'));
  await cp(join(root, 'package.json'), join(directory, 'package.json'));
  await cp(join(root, 'bin'), join(directory, 'bin'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  const sources = join(root, 'src');
  for (const name of await readdir(sources, { recursive: true })) {
    if (!name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(sources, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(directory, 'dist', name.replace(/\.ts$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
  return {
    path: join(directory, 'bin/millrace-druid.js'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
