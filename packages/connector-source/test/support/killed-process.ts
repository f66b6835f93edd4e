import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import ts from 'typescript';

const packages = join(import.meta.dirname, '../../..');

/** A program, and the packages' sources as a plain Node process can run them: never a stale build. */
export interface Program {
  /**
   * Runs it with these options and kills it after that many lines of its output, or not at all.
   *
   * @returns whether it has got to its end
   */
  run(options: object, killAfterLines?: number): Promise<boolean>;
  remove(): Promise<void>;
}

export async function transpileProgram(path: string): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-program-'));
  const program = join(directory, 'program.mjs');
  await cp(path, program);
  await Promise.all(
    ['core-stream', 'druid-client', 'connector-source'].map((name) =>
      transpilePackage(join(packages, name), join(directory, 'node_modules/@millrace', name)),
    ),
  );
  return {
    run: (options, killAfterLines) => runUntilKilled([program, JSON.stringify(options)], killAfterLines),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Of its dependencies ours are left out: they are found next to it, transpiled as well. */
async function transpilePackage(from: string, to: string): Promise<void> {
  await mkdir(join(to, 'node_modules'), { recursive: true });
  for (const name of await readdir(join(from, 'node_modules'))) {
    if (name.startsWith('.') || name === '@millrace') continue;
    await symlink(join(from, 'node_modules', name), join(to, 'node_modules', name));
  }
  await writeFile(join(to, 'package.json'), '{"type":"module","exports":"./index.js"}');
  for (const name of await readdir(join(from, 'src'), { recursive: true })) {
    if (!name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(from, 'src', name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(to, name.replace(/\.ts$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
}

function runUntilKilled(args: readonly string[], killAfterLines: number | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let lines = 0;
    let errors = '';
    let isFinished = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'finished') isFinished = true;
      else if (++lines === killAfterLines) child.kill('SIGKILL');
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (isFinished && code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`The program ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}
