/**
 * One behavioural contract for everything that calls itself a Druid.
 *
 * The same statements, the same answers, the same errors: the suite runs against EmbeddedDruid and against real
 * servers, and every expectation in it was seen on Apache Druid 33.0.0 or 27.0.0.
 */

import { afterAll, beforeAll, describe } from 'vitest';
import { cancelContract } from './cancel-contract.js';
import type { ContractFeature } from './contract-features.js';
import type { ContractVersion } from './contract-version.js';
import { DruidHttp } from './druid-http.js';
import { type Fixtures, loadFixtures } from './fixtures.js';
import { ingestionContract } from './ingestion-contract.js';
import { managementContract } from './management-contract.js';
import { metadataContract } from './metadata-contract.js';
import { multiStageContract } from './multi-stage-contract.js';
import { nativeContract } from './native-contract.js';
import { securityContract } from './security-contract.js';
import { sqlContract } from './sql-contract.js';
import { supervisorContract } from './supervisor-contract.js';
import { taskContract } from './task-contract.js';
import { valuesContract } from './values-contract.js';

/** A server that the contract can talk to. */
export interface DruidUnderTest {
  /** Where the Router answers (or one server that answers everything). */
  url: string;
  /** Sent with every request, beside those of the options; for what is known only after the start. */
  headers?: Record<string, string>;
  /** Where users and roles are administered (the Coordinator itself), under which names; only with basic security. */
  security?: { url: string; authenticator: string; authorizer: string };
  /** Called once, after the last test. */
  stop?: () => Promise<void>;
}

export interface ContractOptions {
  /** The release whose answers are expected; default 33.0.0. */
  version?: ContractVersion;
  /** What the server does not have: the suite then demands that it refuses it. Default: nothing is lacking. */
  lacks?: readonly ContractFeature[];
  /** Sent with every request, for example `authorization`. */
  headers?: Record<string, string>;
  /** Time for one task to end or for rows to become visible; default 60 s. */
  timeoutMs?: number;
  /** Time to start the server and load the fixtures; default 180 s. */
  startTimeoutMs?: number;
}

/** What the parts of the contract share; `druid`, `data` and `security` are set once the fixtures are loaded. */
export interface ContractContext {
  readonly version: ContractVersion;
  readonly lacks: ReadonlySet<ContractFeature>;
  security: DruidUnderTest['security'];
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
  const {
    headers = {},
    timeoutMs = 60_000,
    startTimeoutMs = 180_000,
    version = '33.0.0',
    lacks = [],
  } = options;
  describe(`Druid contract: ${name}`, () => {
    const prefix = `contract_${Math.random().toString(36).slice(2, 8)}`;
    const settled: Pick<ContractContext, 'version' | 'lacks' | 'unique'> = {
      version,
      lacks: new Set(lacks),
      unique: (suffix) => `${prefix}_${suffix}`,
    };
    const context = settled as ContractContext;
    let server: DruidUnderTest | undefined;

    beforeAll(async () => {
      server = await start();
      context.druid = new DruidHttp(server.url, { ...headers, ...server.headers }, timeoutMs);
      context.security = server.security;
      context.data = await loadFixtures(context.druid, prefix);
    }, startTimeoutMs);

    afterAll(async () => {
      await server?.stop?.();
    }, 60_000);

    sqlContract(context);
    cancelContract(context);
    nativeContract(context);
    taskContract(context);
    metadataContract(context);
    ingestionContract(context);
    valuesContract(context);
    managementContract(context);
    supervisorContract(context);
    multiStageContract(context);
    securityContract(context);
  });
}
