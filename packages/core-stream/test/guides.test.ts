/** The guides: each begins with a whole program that prints what the block of text after it says. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstProgramOf, readGuides, typeErrorsOf } from '../../../tooling/guide-programs.js';
import { runSnippet } from './support/snippets.js';
import { transpilePackage, type TranspiledPackage } from './support/transpiled-package.js';

const guides = readGuides('engine');
const snippets = guides.flatMap(({ file, snippets: own }) =>
  own.map((snippet, index) => ({ file, index, ...snippet })),
);

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 240_000);
afterAll(() => built.remove());

describe('the guides', () => {
  it.each(guides)('$file begins with a program and its output', ({ text, snippets: [first] }) => {
    expect(first?.code).toBe(firstProgramOf(text));
  });

  it.each(snippets)('$file: program $index prints what it says', async ({ code, output }) => {
    expect(await runSnippet(code, built)).toBe(output);
  });

  it('have programs whose types fit', { timeout: 240_000 }, () => {
    const programs = snippets.map(
      ({ file, index, code }) => [join(import.meta.dirname, `${file}-${index}.ts`), code] as const,
    );
    expect(typeErrorsOf(new Map(programs))).toEqual([]);
  });
});
