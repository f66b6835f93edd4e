import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { expect, it } from 'vitest';
import { flightRow, loadTask, TABLE, writeFlights } from '../../src/druid-read/flights.js';
import { expectedProof, FlightHash } from '../../src/druid-source/flight-hash.js';
import { runSourceJob } from '../../src/druid-source/source-job.js';
import { requireSame, sourceReport, type SourceOutcome } from '../../src/druid-source/source-report.js';

const flights = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const { time, ...row } = flightRow(i, count);
    return { __time: time, ...row };
  });

it('has a hash that depends on every column, and not on the order', () => {
  const proofOf = (rows: ReturnType<typeof flights>) => {
    const hash = new FlightHash();
    for (const row of rows) hash.add(row);
    return hash.proof;
  };
  const rows = flights(200);
  expect(proofOf([...rows].reverse())).toEqual(expectedProof(200));
  const first = rows.find(({ origin, destination }) => origin !== destination);
  if (first === undefined) throw new Error('There is such a row');
  const others = rows.filter((row) => row !== first);
  for (const changed of [
    { __time: first.__time + 60_000 },
    { origin: first.destination, destination: first.origin },
    { delay: first.delay + 1, distance: first.distance - 1 },
  ]) {
    expect(proofOf([{ ...first, ...changed }, ...others])).not.toEqual(expectedProof(200));
  }
});

it('reads what was loaded', async () => {
  const druid = await EmbeddedDruid.start();
  const client = new DruidClient({ url: druid.url });
  const folder = await mkdtemp(join(tmpdir(), 'millrace-druid-source-'));
  try {
    await writeFlights(join(folder, 'flights.ndjson'), 300);
    const { taskId } = await client.tasks.submit(loadTask(folder));
    expect((await client.tasks.waitFor(taskId)).statusCode).toBe('SUCCESS');
    await client.datasources.waitUntilQueryable(TABLE);
    for (const path of ['broker', 'sql'] as const) {
      const proof = await runSourceJob({ path, parallelism: 2, url: druid.url, rows: 300 });
      expect(proof).toEqual(expectedProof(300));
    }
  } finally {
    client.close();
    await druid.stop();
    await rm(folder, { recursive: true });
  }
});

it('reports the best run beside the best of curl, and the most memory', () => {
  const proof = { rows: 1000, hash: 5 };
  const outcome = (seconds: number, peakRssMb: number): SourceOutcome => ({
    proof,
    seconds,
    cpuSeconds: seconds / 2,
    peakRssMb,
  });
  expect(
    sourceReport('direct', 2, [
      { curlSeconds: 0.2, outcome: outcome(0.5, 90.4) },
      { curlSeconds: 0.1, outcome: outcome(0.4, 80) },
    ]),
  ).toEqual({
    path: 'direct',
    parallelism: 2,
    rows: 1000,
    seconds: 0.4,
    rowsPerSecond: 2500,
    cpuSeconds: 0.2,
    curlRowsPerSecond: 10_000,
    ratioToCurl: 0.25,
    peakRssMb: 90,
  });
  expect(() => requireSame('direct', outcome(1, 1), { ...proof, hash: 6 })).toThrow(/"hash":5.*"hash":6/);
});
