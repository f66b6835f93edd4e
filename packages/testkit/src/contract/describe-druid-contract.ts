/**
 * One behavioural contract for everything that calls itself a Druid.
 *
 * The same statements, the same answers, the same errors: the suite runs against EmbeddedDruid and against a real
 * server, and every expectation in it was seen on Apache Druid 33.0.0.
 */

import { afterAll, beforeAll, describe } from 'vitest';
import { DruidHttp } from './druid-http.js';
import { type Fixtures, loadFixtures } from './fixtures.js';
import { ingestionContract } from './ingestion-contract.js';
import { metadataContract } from './metadata-contract.js';
import { nativeContract } from './native-contract.js';
import { sqlContract } from './sql-contract.js';
import { taskContract } from './task-contract.js';

/** A server that the contract can talk to. */
export interface DruidUnderTest {
  /** Where the Router answers (or one server that answers everything). */
  url: string;
  /** Called once, after the last test. */
  stop?: () => Promise<void>;
}

export interface ContractOptions {
  /** Sent with every request, for example `authorization`. */
  headers?: Record<string, string>;
  /** Time for one task to end or for rows to become visible; default 60 s. */
  timeoutMs?: number;
  /** Time to start the server and load the fixtures; default 180 s. */
  startTimeoutMs?: number;
}

/** What the parts of the contract share; `druid` and `data` are set once the fixtures are loaded. */
export interface ContractContext {
  druid: DruidHttp;
  data: Fixtures;
  /** A datasource or task name that is unique in this run. */
  unique(name: string): string;
}

/**
 * Registers the contract as a vitest suite.
 *
 * @example
 * describeDruidContract('our test cluster', async () => ({ url: process.env.DRUID_URL! }));
 */
export function describeDruidContract(
  name: string,
  start: () => Promise<DruidUnderTest>,
  options: ContractOptions = {},
): void {
  const { headers = {}, timeoutMs = 60_000, startTimeoutMs = 180_000 } = options;
  describe(`Druid contract: ${name}`, () => {
    const prefix = `contract_${Math.random().toString(36).slice(2, 8)}`;
    const context = { unique: (suffix: string) => `${prefix}_${suffix}` } as ContractContext;
    let server: DruidUnderTest | undefined;

    beforeAll(async () => {
      server = await start();
      context.druid = new DruidHttp(server.url, headers, timeoutMs);
      context.data = await loadFixtures(context.druid, prefix);
    }, startTimeoutMs);

    afterAll(async () => {
      await server?.stop?.();
    }, 60_000);

    sqlContract(context);
    nativeContract(context);
    taskContract(context);
    metadataContract(context);
    ingestionContract(context);
  });
}
