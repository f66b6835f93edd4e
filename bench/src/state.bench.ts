/**
 * Keyed state, by type and backend: reads and updates, checkpoints, restores, memory. Each case in a process of its own;
 * what was restored is compared with what was there, by a hash over all keys.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BACKENDS, STATE_TYPES, type StateReport, type StateRunOptions } from './state/report.js';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '10000' },
    records: { type: 'string', default: '1000000' },
    type: { type: 'string', multiple: true },
    backend: { type: 'string', multiple: true },
    'cache-bytes': { type: 'string', default: String(128 << 20) },
    json: { type: 'boolean', default: false },
  },
});

function wholeNumber(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new Error(`--${flag} is a whole number above 0, got '${text}'`);
}

function chosen<T extends string>(
  flag: string,
  names: readonly string[] | undefined,
  all: readonly T[],
): readonly T[] {
  return (names ?? all).map((name) => {
    const known = all.find((one) => one === name);
    if (known === undefined) throw new Error(`--${flag} is one of ${all.join(', ')}, got '${name}'`);
    return known;
  });
}

function run(options: StateRunOptions): StateReport {
  const program = fileURLToPath(new URL('./state-run.js', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ['--expose-gc', program, JSON.stringify(options)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${options.type} on ${options.backend} ended with exit code ${status}`);
  return JSON.parse(stdout) as StateReport;
}

const keys = wholeNumber('keys', values.keys);
const records = wholeNumber('records', values.records);
const cacheBytes = wholeNumber('cache-bytes', values['cache-bytes']);
const reports: StateReport[] = [];
for (const type of chosen('type', values.type, STATE_TYPES)) {
  for (const backend of chosen('backend', values.backend, BACKENDS)) {
    const report = run({ type, backend, keys, records, cacheBytes });
    reports.push(report);
    if (values.json) console.log(JSON.stringify(report));
  }
}
if (!values.json) {
  console.table(
    reports.map(({ fullCheckpoint, smallCheckpoint, restores, cacheBytes: _cache, ...figures }) => ({
      ...figures,
      full: `${fullCheckpoint.durationMs} ms, pause ${fullCheckpoint.pauseMs} ms, ${fullCheckpoint.bytes} B`,
      small: `${smallCheckpoint.durationMs} ms, pause ${smallCheckpoint.pauseMs} ms, ${smallCheckpoint.bytes} B`,
      restores: restores.map(({ from, durationMs }) => `${from} ${durationMs} ms`).join(', '),
    })),
  );
}
