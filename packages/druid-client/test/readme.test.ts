/** The README: its examples have the right types, and its first program runs. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { EmbeddedDruid } from '@millrace/testkit';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { typeErrorsOf } from '../../../tooling/guide-programs.js';
import { buildTool } from './cli/built-tool.js';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);

/** What an example takes from those before it, or leaves to the reader. */
const surroundings: Readonly<Record<string, string>> = {
  druid: "declare const druid: import('@millrace/druid-client').DruidClient;",
  DruidClient: "import { DruidClient } from '@millrace/druid-client';",
  sql: "import { sql } from '@millrace/druid-client';",
  extern: "import { extern } from '@millrace/druid-client';",
  insertStatement: "import { insertStatement } from '@millrace/druid-client';",
  readFileSync: "import { readFileSync } from 'node:fs';",
  signature:
    "declare const signature: { readonly ts: 'string'; readonly page: 'string'; readonly added: 'long' };",
  readToken: 'declare const readToken: (isRefresh: boolean) => Promise<string>;',
  metrics: 'declare const metrics: { record(...values: unknown[]): void };',
};

function completed(example: string): string {
  const own = [...example.matchAll(/\b(?:const|let) (\w+)|^ {2}(\w+),$|import \{ ([^}]+) \}/gm)].flatMap(
    (match) => match.slice(1).flatMap((names) => names?.split(', ') ?? []),
  );
  const missing = Object.keys(surroundings).filter(
    (name) => new RegExp(`\\b${name}\\b`).test(example) && !own.includes(name),
  );
  return [...missing.map((name) => surroundings[name]), example, 'export {};'].join('\n');
}

describe('the README', () => {
  it('has examples whose types fit', { timeout: 240_000 }, () => {
    const programs = new Map(examples.map((code, i) => [join(root, `test/readme-${i}.ts`), completed(code)]));
    expect(typeErrorsOf(programs, { noUnusedLocals: false })).toEqual([]);
  });

  it('begins with a program that runs', { timeout: 240_000 }, async () => {
    const [druid, built] = await Promise.all([EmbeddedDruid.start(), buildTool()]);
    const directory = await mkdtemp(join(root, 'node_modules/.readme-'));
    try {
      const { outputText } = ts.transpileModule(examples[0]!, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      const entry = pathToFileURL(join(built.path, '../../dist/index.js')).href;
      const program = outputText
        .replace('@millrace/druid-client', entry)
        .replace('http://localhost:8888', druid.url);
      await writeFile(join(directory, 'program.mjs'), program);
      const { stdout } = await promisify(execFile)(process.execPath, [join(directory, 'program.mjs')]);
      expect(stdout).toMatch(
        /^\[ \{ server: '127\.0\.0\.1:\d+', curr_size: 0 \} \]\n\d+ rows \{ TABLE_NAME: '\w+' \}\n$/,
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
      await Promise.all([druid.stop(), built.remove()]);
    }
  });
});
