import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { ReadOutcome } from './report.js';

/** The same as druid-read-run.ts, by pydruid's cursor. */
const PROGRAM = `
import json, resource, sys, time
from pydruid.db import connect
host, port, sql = sys.argv[1:4]
before = time.process_time()
started = time.perf_counter()
cursor = connect(host=host, port=int(port), path='/druid/v2/sql', scheme='http').cursor()
rows = 0
total = 0
for row in cursor.execute(sql):
    rows += 1
    total += row.delay + row.distance
seconds = time.perf_counter() - started
cpu = time.process_time() - before
try:
    with open('/proc/self/status') as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith('VmHWM:'))
except OSError:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({'tally': {'rows': rows, 'sum': total}, 'seconds': seconds, 'cpuSeconds': cpu, 'peakRssMb': kib / 1024}))
`;

/** Undefined if `python` can import pydruid, else why not. */
export function missingPydruid(python: string): string | undefined {
  const { status, error } = spawnSync(python, ['-c', 'import pydruid.db'], { encoding: 'utf8' });
  if (error) return `${python} cannot be run (${error.message})`;
  return status === 0
    ? undefined
    : `${python} has no pydruid; install it by \`pip install pydruid\`, or name another by --python`;
}

/** Reads the table once, in a process of its own. */
export async function readByPydruid(python: string, url: string, sql: string): Promise<ReadOutcome> {
  const { hostname, port } = new URL(url);
  const { stdout } = await promisify(execFile)(python, ['-c', PROGRAM, hostname, port, sql]);
  return JSON.parse(stdout) as ReadOutcome;
}
