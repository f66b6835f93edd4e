/**
 * A package's SPEC.md and its tests say the same: every invariant has a test that names it, every invariant that a test
 * names is in the SPEC, and the files that enforce it exist.
 *
 * An invariant is a list item `- **W3** …` with `- Enforced by: ` + files and `- Test: ` + titles, in backticks. A test names
 * it by a title that begins with `W3: `.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ID = '[A-Z]\\d+';

/** @param {string} text of SPEC.md */
export function parseInvariants(text) {
  const items = text.split(new RegExp(`^(?=- \\*\\*${ID}\\*\\* )`, 'm')).slice(1);
  return items.map((item) => {
    const [, id] = item.match(new RegExp(`^- \\*\\*(${ID})\\*\\* `));
    return { id, files: named(item, 'Enforced by'), tests: named(item, 'Test') };
  });
}

/** What stands in backticks after `label`, on as many lines as belong to that list item. */
function named(item, label) {
  const [, list = ''] = item.match(new RegExp(`^ +- ${label}: ((?:.|\\n(?! *- |\\n))*)`, 'm')) ?? [];
  return [...list.matchAll(/`([^`]+)`/g)].map(([, name]) => name.replaceAll(/\s+/g, ' '));
}

/** Titles that begin with an id, in the source of a test file. */
export function parseTitles(source) {
  const titles = source.matchAll(new RegExp(`\\(\\s*(['"\`])((${ID}): (?:(?!\\1).)*)\\1\\s*,`, 'g'));
  return [...titles].map(([, , title, id]) => ({ id, title }));
}

function check(folder) {
  const problems = [];
  const invariants = parseInvariants(readFileSync(join(folder, 'SPEC.md'), 'utf8'));
  const titles = readdirSync(join(folder, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) =>
      parseTitles(readFileSync(join(folder, 'test', name), 'utf8')).map((found) => ({ ...found, name })),
    );
  const ids = new Set(invariants.map(({ id }) => id));
  if (ids.size < invariants.length) problems.push('two invariants have the same id');
  for (const { id, files, tests } of invariants) {
    if (files.length === 0) problems.push(`${id} does not say which file enforces it`);
    if (tests.length === 0) problems.push(`${id} names no test`);
    for (const file of files) {
      if (!existsSync(join(folder, file)))
        problems.push(`${id} is enforced by ${file}, which does not exist`);
    }
    for (const test of tests) {
      if (!titles.some(({ title }) => title === test))
        problems.push(`${id}: no test has the title '${test}'`);
    }
    if (!titles.some((title) => title.id === id)) problems.push(`no test's title begins with '${id}: '`);
  }
  for (const { id, title, name } of titles) {
    if (!ids.has(id)) problems.push(`test/${name} names ${id} ('${title}'), which SPEC.md does not have`);
  }
  console.log(`${problems.length === 0 ? '✓' : '✗'} ${folder}: ${invariants.length} invariants`);
  for (const problem of problems) console.error(`  ${problem}`);
  return problems.length === 0;
}

const folders = readdirSync('packages')
  .map((name) => join('packages', name))
  .filter((folder) => existsSync(join(folder, 'SPEC.md')));
process.exit(folders.map(check).every(Boolean) ? 0 : 1);
