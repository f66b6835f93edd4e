/** Builds what the demo needs, quietly, and runs it with the arguments given. */
import { spawn, spawnSync } from 'node:child_process';

console.error('Building (up to half a minute, the first time)');
const build = spawnSync(
  'pnpm',
  ['exec', 'turbo', 'run', 'build', '--filter=@millrace/demo', '--output-logs=errors-only'],
  {
    encoding: 'utf8',
  },
);
if (build.status !== 0) {
  console.error(build.stdout, build.stderr);
  console.error('The build failed. See the messages above.');
  process.exit(1);
}

const demo = spawn(process.execPath, ['apps/demo/dist/main.js', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// Ctrl-C reaches the demo by itself (same process group); waiting for it lets it stop cleanly.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => signal === 'SIGTERM' && demo.kill(signal));
demo.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
