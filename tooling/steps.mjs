/** Runs commands, shows what runs, and says how long each took. */
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const color = process.stdout.isTTY
  ? (code, text) => `\u001b[${code}m${text}\u001b[0m`
  : (_code, text) => text;

/** @typedef {{ name: string, command: string, args: readonly string[] }} Step */

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
 * Runs steps, as many at a time as there are cores. What one prints is shown when it has ended.
 * @param {readonly Step[]} steps
 * @returns {Promise<boolean>} whether all of them succeeded; after a failure no further one begins
 */
export async function runSteps(steps) {
  const waiting = [...steps];
  let isSound = true;
  const work = async () => {
    for (let step = waiting.shift(); step && isSound; step = waiting.shift()) {
      if (!(await runStep(step))) isSound = false;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return isSound;
}

/** @param {Step} step */
async function runStep({ name, command, args }) {
  console.log(color(36, `▶ ${name}`) + color(2, `  ${command} ${args.join(' ')}`));
  const startedAt = Date.now();
  const output = [];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output.push(Buffer.from(`${command} could not be started: ${error.message}\n`));
      resolve(1);
    });
    child.on('close', (status) => resolve(status ?? 130));
  });
  process.stdout.write(Buffer.concat(output));
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  if (code === 0) console.log(color(32, `✓ ${name}`) + color(2, `  ${seconds} s`));
  else console.error(color(31, `✗ ${name} failed (exit code ${code})`));
  return code === 0;
}
