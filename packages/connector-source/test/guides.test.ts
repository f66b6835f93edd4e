/** The guides about Druid: each begins with a whole program that prints what the block of text after it says. */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { firstProgramOf, readGuides, typeErrorsOf } from '../../../tooling/guide-programs.js';

const root = join(import.meta.dirname, '..');
const guides = readGuides('druid');
const snippets = guides.flatMap(({ file, snippets: own }) =>
  own.map((snippet, index) => ({ file, index, ...snippet })),
);

afterEach(() => void vi.restoreAllMocks());

describe('the guides', () => {
  it('are found', () => {
    expect(guides.map(({ file }) => file)).toEqual(['batch-over-druid.md', 'follow-a-datasource.md']);
  });

  it.each(guides)('$file begins with a program and its output', ({ text, snippets: [first] }) => {
    expect(first?.code).toBe(firstProgramOf(text));
  });

  it.each(snippets)(
    '$file: program $index prints what it says',
    { timeout: 60_000 },
    async ({ code, output }) => {
      expect(await run(code)).toBe(output);
    },
  );

  it('have programs whose types fit', { timeout: 240_000 }, () => {
    const programs = snippets.map(
      ({ file, index, code }) => [join(root, `test/${file}-${index}.ts`), code] as const,
    );
    expect(typeErrorsOf(new Map(programs))).toEqual([]);
  });
});

/** Runs a program in a directory of its own, over the sources of the packages; returns what it prints. */
async function run(code: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-guide-'));
  const before = process.cwd();
  let printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    printed += `${format(...values)}\n`;
  });
  try {
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    const program = join(directory, 'program.ts');
    // A package is not installed into itself.
    const ours = join(root, 'src/index.ts');
    await writeFile(program, code.replaceAll("'@millrace/connector-source'", JSON.stringify(ours)));
    process.chdir(directory);
    await import(program);
    return printed;
  } finally {
    process.chdir(before);
    await rm(directory, { recursive: true, force: true });
  }
}
