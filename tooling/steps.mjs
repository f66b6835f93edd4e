/** Runs one command after the other, shows what runs, and says how long each took. */
import { spawnSync } from 'node:child_process';

const color = process.stdout.isTTY
  ? (code, text) => `\u001b[${code}m${text}\u001b[0m`
  : (_code, text) => text;

/**
 * Runs a command in the foreground.
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {number} its exit code
 */
export function run(command, args, options = {}) {
  const { status, error, signal } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (error) console.error(`${command} could not be started: ${error.message}`);
  return status ?? (signal ? 130 : 1);
}

/**
 * @param {readonly { name: string, command: string, args: readonly string[] }[]} steps
 * @returns {boolean} whether all of them succeeded; the first failure ends it
 */
export function runSteps(steps) {
  for (const { name, command, args } of steps) {
    console.log(color(36, `\n▶ ${name}`) + color(2, `  ${command} ${args.join(' ')}`));
    const startedAt = Date.now();
    const code = run(command, args);
    if (code !== 0) {
      console.error(color(31, `✗ ${name} failed (exit code ${code})`));
      return false;
    }
    console.log(color(32, `✓ ${name}`) + color(2, `  ${((Date.now() - startedAt) / 1000).toFixed(1)} s`));
  }
  return true;
}
