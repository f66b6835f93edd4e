/** Builds, then runs a benchmark: `pnpm bench windows --json`. */
import { existsSync, readdirSync } from 'node:fs';
import { run } from './steps.mjs';

const [name, ...args] = process.argv.slice(2);
const known = readdirSync('bench/src')
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length));
if (name === undefined || !known.includes(name)) {
  console.error(`Which benchmark? One of: ${known.join(', ')}. For example: pnpm bench ${known[0]} --json`);
  process.exit(1);
}
if (
  run('pnpm', ['exec', 'turbo', 'run', 'build', '--output-logs=errors-only'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  }) !== 0
)
  process.exit(1);
const file = `bench/dist/${name}.bench.js`;
if (!existsSync(file)) throw new Error(`${file} was not built`);
process.exit(run(process.execPath, ['--expose-gc', file, ...args]));
