/** The README: the types of its examples fit, and what it links to is there. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { typeErrorsOf } from '../../../tooling/guide-programs.js';

const root = join(import.meta.dirname, '..');
const path = join(root, 'README.md');
const readme = readFileSync(path, 'utf8');
const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);

/** The streams that examples leave to the reader. */
const surroundings: Readonly<Record<string, string>> = {
  flights: `
    interface Flight { readonly id: number; readonly origin: string }
    declare const flights: import('@millrace/core-stream').DataStream<Flight>;`,
  orders: `
    interface Order { readonly id: number; readonly countryCode: string }
    declare const orders: import('@millrace/core-stream').DataStream<Order>;`,
};

function completed(example: string): string {
  const missing = Object.keys(surroundings).filter((name) =>
    new RegExp(`^ *${name}[.,]|= ${name}\\.`, 'm').test(example),
  );
  return [example, ...missing.map((name) => surroundings[name]), 'export {};'].join('\n');
}

/** The links to headings, of one document, that do not lead anywhere. */
function brokenLinks(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
    ([link, target = '', anchor]) => {
      const linked = target === '' ? file : join(dirname(file), target);
      if (!existsSync(linked)) return [link];
      return anchor === undefined || headingsOf(linked).includes(anchor) ? [] : [link];
    },
  );
}

/** As GitHub writes them in links. */
function headingsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe('the README', () => {
  it('has examples whose types fit', { timeout: 240_000 }, () => {
    const programs = new Map(examples.map((code, i) => [join(root, `test/readme-${i}.ts`), completed(code)]));
    expect(programs.size).toBeGreaterThan(5);
    expect(typeErrorsOf(programs, { noUnusedLocals: false })).toEqual([]);
  });

  it.each(['README.md', '../../docs/guides/batch-over-druid.md', '../../docs/guides/follow-a-datasource.md'])(
    'and the guides link to what is there: %s',
    (file) => {
      expect(brokenLinks(join(root, file))).toEqual([]);
    },
  );
});
