import { inject } from 'vitest';
import type { DruidCluster } from '../packages/testkit/src/index.js';

declare module 'vitest' {
  export interface ProvidedContext {
    sharedDruid: string;
  }
}

/** 27.0.0 has basic security, and multi-stage queries. */
export type SharedDruidVersion = '33.0.0' | '27.0.0';

export type SharedDruid = Pick<
  DruidCluster,
  'url' | 'urls' | 'ports' | 'credentials' | 'dataDir' | 'logFile'
>;

/**
 * A real Druid that all test files of a run share, because a start takes longer than many a file; started when first asked for.
 * Use datasources whose names no other file has. A file that stops, kills or reconfigures servers starts a `DruidCluster` of its own.
 */
export async function sharedDruid(version: SharedDruidVersion = '33.0.0'): Promise<SharedDruid> {
  const answer = await fetch(`${inject('sharedDruid')}/${version}`);
  if (!answer.ok) throw new Error(`Druid ${version} did not start: ${await answer.text()}`);
  return (await answer.json()) as SharedDruid;
}
