/**
 * Everything that has to hold before a change lands: format, lint, build, types, boundaries, package exports, tests.
 * `pnpm test` and `.ci/run` are this. Arguments go to the test runner: `pnpm test packages/core-stream`.
 */
import { run, runSteps } from './steps.mjs';

const pnpm = (name, ...args) => ({ name, command: 'pnpm', args: ['run', '--silent', ...args] });

const isSound =
  (await runSteps([pnpm('build', 'build'), pnpm('format', 'check:format')])) &&
  (await runSteps([
    pnpm('types', 'check:types'),
    pnpm('package exports', 'check:packages'),
    pnpm('lint', 'check:lint'),
    pnpm('boundaries', 'check:boundaries'),
    pnpm('unused code', 'check:unused'),
    pnpm('spec', 'check:spec'),
  ]));
if (!isSound) process.exit(1);

console.log('\n▶ tests');
process.exit(run('pnpm', ['exec', 'vitest', 'run', ...process.argv.slice(2)]));
