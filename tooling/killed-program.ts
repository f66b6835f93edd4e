import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import ts from 'typescript';

const packages = join(import.meta.dirname, '../packages');

/** When a program is killed, unless it kills itself; never where it is left out. */
export interface Kill {
  readonly afterLines?: number;
  /** From its line `started`, so that it does not matter how fast Node is. */
  readonly afterMs?: number;
}

/** A program, and the packages' sources as a plain Node process can run them: never a stale build. */
export interface Program {
  /** Runs it with these options to its line `finished`, or until it is killed. Resolves with whether it has got to its end. */
  run(options: object, kill?: Kill, onLine?: (line: string) => void): Promise<boolean>;
  remove(): Promise<void>;
}

/** @param names of the packages that it imports, and of those that they import */
export async function transpileProgram(path: string, names: readonly string[]): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-program-'));
  const program = join(directory, 'program.mjs');
  await cp(path, program);
  await Promise.all(
    names.map((name) =>
      transpilePackage(join(packages, name), join(directory, 'node_modules/@millrace', name)),
    ),
  );
  return {
    run: (options, kill, onLine) => runUntilKilled([program, JSON.stringify(options)], kill, onLine),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Of its dependencies ours are left out: they are found next to it, transpiled as well. */
async function transpilePackage(from: string, to: string): Promise<void> {
  await mkdir(join(to, 'node_modules'), { recursive: true });
  for (const name of await readdir(join(from, 'node_modules'))) {
    if (name.startsWith('.') || name === '@millrace') continue;
    await symlink(await realpath(join(from, 'node_modules', name)), join(to, 'node_modules', name));
  }
  const exports = { '.': './index.js', './*': './*/index.js' };
  await writeFile(join(to, 'package.json'), JSON.stringify({ type: 'module', exports }));
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

function runUntilKilled(
  args: readonly string[],
  { afterLines, afterMs }: Kill = {},
  onLine: (line: string) => void = () => undefined,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = () => void child.kill('SIGKILL');
    let timer: NodeJS.Timeout | undefined;
    let lines = 0;
    let errors = '';
    let isFinished = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      onLine(line);
      if (line === 'finished') isFinished = true;
      else if (++lines === afterLines) kill();
      if (line === 'started' && afterMs !== undefined) timer = setTimeout(kill, afterMs);
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (isFinished && code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`The program ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}
