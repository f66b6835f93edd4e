/** The programs in our documents, for the tests that run them and check their types. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const guidesFolder = join(import.meta.dirname, '../docs/guides');

/** A program in a document, and what the document says that it prints. */
export interface Snippet {
  readonly code: string;
  readonly output: string;
}

export interface Guide {
  readonly file: string;
  readonly text: string;
  readonly snippets: readonly Snippet[];
}

/** The blocks of TypeScript that are followed by a block of text. */
export function snippetsOf(markdown: string): Snippet[] {
  return [...markdown.matchAll(/```ts\n((?:(?!```).)*)```\n\n```text\n(.*?)```/gs)].map(
    ([, code = '', output = '']) => ({ code, output }),
  );
}

/** The guides: those about the engine alone, or those about Druid. */
export function readGuides(about: 'engine' | 'druid'): Guide[] {
  return readdirSync(guidesFolder)
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => ({ file, text: readFileSync(join(guidesFolder, file), 'utf8') }))
    .filter(({ text }) => /from '@millrace\/(?!core-stream)/.test(text) === (about === 'druid'))
    .map((guide) => ({ ...guide, snippets: snippetsOf(guide.text) }));
}

/** The first block of TypeScript, which every guide runs. */
export function firstProgramOf(markdown: string): string | undefined {
  return /```ts\n(.*?)```/s.exec(markdown)?.[1];
}

/** What the compiler finds wrong with programs that exist in memory only. @param programs path → text */
export function typeErrorsOf(
  programs: ReadonlyMap<string, string>,
  compilerOptions: ts.CompilerOptions = {},
): string[] {
  const config = join(import.meta.dirname, '../tsconfig.test.json');
  const parsing: ts.ParseConfigFileHost = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '));
    },
  };
  const fromSource = { customConditions: ['millrace-source'], ...compilerOptions };
  const { options } = ts.getParsedCommandLineOfConfigFile(config, fromSource, parsing)!;
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
  return [...programs.keys()].flatMap((name) => {
    const file = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
  });
}
