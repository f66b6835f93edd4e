/** The guides: each begins with a whole program that prints what the block of text after it says. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSnippet, snippetsOf } from './support/snippets.js';
import { transpilePackage, type TranspiledPackage } from './support/transpiled-package.js';

const root = join(import.meta.dirname, '..');
const guides = join(root, '../../docs/guides');
const texts = await Promise.all(
  (await readdir(guides))
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map(async (file) => ({ file, text: await readFile(join(guides, file), 'utf8') })),
);
const snippets = texts.flatMap(({ file, text }) =>
  snippetsOf(text).map((snippet, index) => ({ file, index, ...snippet })),
);

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 60_000);
afterAll(() => built.remove());

const configHost: ts.ParseConfigFileHost = {
  ...ts.sys,
  onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
    throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '));
  },
};

describe('the guides', () => {
  it.each(texts)('$file begins with a program and its output', ({ text }) => {
    const first = text.indexOf('```ts\n');
    expect(first).toBeGreaterThan(0);
    expect(snippetsOf(text.slice(first))[0]?.code).toBe(
      text.slice(first + 6, text.indexOf('```', first + 6)),
    );
  });

  it.each(snippets)('$file: program $index prints what it says', async ({ code, output }) => {
    expect(await runSnippet(code, built)).toBe(output);
  });

  it('have programs whose types fit', { timeout: 60_000 }, () => {
    const config = join(root, '../../tsconfig.test.json');
    const fromSource = { customConditions: ['millrace-source'] };
    const { options } = ts.getParsedCommandLineOfConfigFile(config, fromSource, configHost)!;
    const programs = new Map(
      snippets.map(({ file, index, code }) => [join(root, `test/${file}-${index}.ts`), code]),
    );
    const files = ts.createCompilerHost(options);
    const host: ts.CompilerHost = {
      ...files,
      fileExists: (name) => programs.has(name) || files.fileExists(name),
      readFile: (name) => programs.get(name) ?? files.readFile(name),
      getSourceFile: (name, version, ...rest) => {
        const code = programs.get(name);
        return code === undefined
          ? files.getSourceFile(name, version, ...rest)
          : ts.createSourceFile(name, code, version);
      },
    };
    const program = ts.createProgram([...programs.keys()], options, host);
    const wrong = [...programs.keys()].flatMap((name) =>
      program
        .getSemanticDiagnostics(program.getSourceFile(name))
        .map(
          ({ messageText }) =>
            `${name.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
        ),
    );
    expect(wrong).toEqual([]);
  });
});
