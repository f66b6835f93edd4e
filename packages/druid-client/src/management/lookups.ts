import { z } from 'zod';
import { path } from '../request.js';
import type { Transport } from '../transport.js';
import { change, changeIfThere, readIfThere, type AuditOptions, type CallOptions } from './calls.js';

const spec = z.looseObject({
  version: z
    .string()
    .nullish()
    .transform((version) => version ?? undefined),
  lookupExtractorFactory: z.looseObject({ type: z.string() }),
});
const specs = z.record(z.string(), spec);
const names = z.array(z.string());
const status = z.looseObject({ loaded: z.boolean(), pendingNodes: z.array(z.string()).nullish() });
const nodeStatus = z.looseObject({ current: specs, toLoad: specs, toDrop: names });

/** A lookup as it is stored. */
export type StoredLookup = z.output<typeof spec>;

/** Whether all processes of the tier have a lookup; `pendingNodes` (`name:port`) only with `detailed`. */
export type LookupStatus = z.output<typeof status>;

/** What a process has, loads and drops. */
export type LookupNodeStatus = z.output<typeof nodeStatus>;

/** A lookup to store. */
export interface LookupSpec {
  /** Compared as text: a new version must come after the old one. */
  readonly version: string;
  /** Such as `{ type: 'map', map: { us: 'United States' } }`, or one of the extension for cached lookups. */
  readonly lookupExtractorFactory: Readonly<{ type: string; [key: string]: unknown }>;
}

const base = '/druid/coordinator/v1/lookups';
const operation = 'lookups';

/**
 * Lookups: `/druid/coordinator/v1/lookups` ("Lookups API" in Druid's documentation). Until the first {@link DruidLookups.initialize}
 * of a cluster there is no place for them: reads give undefined, writes fail.
 */
export class DruidLookups {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Makes the place for lookups; changes nothing where it is. Sent exactly once. */
  initialize(options: AuditOptions = {}): Promise<void> {
    return this.setAll({}, options);
  }

  /** Names of the tiers that have lookups; with `discover`, also of those that processes announce. */
  tiers(options: CallOptions & { readonly discover?: boolean } = {}): Promise<string[] | undefined> {
    const { discover, ...call } = options;
    const query = { discover: discover === true ? 'true' : undefined };
    return readIfThere(this.transport, { operation, path: `${base}/config`, query }, names, call);
  }

  /** All lookups by tier and name, or undefined before {@link DruidLookups.initialize}. */
  all(options: CallOptions = {}): Promise<Record<string, Record<string, StoredLookup>> | undefined> {
    const call = { operation, path: `${base}/config/all` };
    return readIfThere(this.transport, call, z.record(z.string(), specs), options);
  }

  /** Names of the lookups of a tier, or undefined for a tier without any. */
  names(tier: string, options: CallOptions = {}): Promise<string[] | undefined> {
    const call = { operation, path: path`/druid/coordinator/v1/lookups/config/${tier}` };
    return readIfThere(this.transport, call, names, options);
  }

  /** A lookup, or undefined if there is none. */
  get(tier: string, name: string, options: CallOptions = {}): Promise<StoredLookup | undefined> {
    return readIfThere(this.transport, { operation, path: pathOf(tier, name) }, spec, options);
  }

  /**
   * Stores a lookup; processes fetch it soon: see {@link DruidLookups.status}. Sent exactly once.
   *
   * @throws DruidRemoteError (500 where the version is not later than the stored one)
   */
  set(tier: string, name: string, lookup: LookupSpec, options: AuditOptions = {}): Promise<void> {
    const call = { operation: 'setting of a lookup', path: pathOf(tier, name), body: lookup };
    return change(this.transport, call, options);
  }

  /** Stores several, by tier and name; the others stay. Sent exactly once. */
  setAll(
    lookups: Readonly<Record<string, Readonly<Record<string, LookupSpec>>>>,
    options: AuditOptions = {},
  ): Promise<void> {
    const call = { operation: 'setting of lookups', path: `${base}/config`, body: lookups };
    return change(this.transport, call, options);
  }

  /** Removes a lookup; false if there is none. Sent exactly once. */
  delete(tier: string, name: string, options: AuditOptions = {}): Promise<boolean> {
    const call = { operation: 'removal of a lookup', path: pathOf(tier, name), method: 'DELETE' } as const;
    return changeIfThere(this.transport, call, options);
  }

  /** Removes all lookups of a tier; false if there are none. Sent exactly once. */
  deleteTier(tier: string, options: AuditOptions = {}): Promise<boolean> {
    const at = path`/druid/coordinator/v1/lookups/config/${tier}`;
    return changeIfThere(
      this.transport,
      { operation: 'removal of lookups', path: at, method: 'DELETE' },
      options,
    );
  }

  /** Whether lookups have arrived, by tier and name; undefined before {@link DruidLookups.initialize}. */
  status(
    options: CallOptions & { readonly detailed?: boolean } = {},
  ): Promise<Record<string, Record<string, LookupStatus>> | undefined> {
    const { detailed, ...call } = options;
    const query = { detailed: detailed === true ? 'true' : undefined };
    const schema = z.record(z.string(), z.record(z.string(), status));
    return readIfThere(this.transport, { operation, path: `${base}/status`, query }, schema, call);
  }

  /** What each process has, by tier and `name:port`; undefined before {@link DruidLookups.initialize}. */
  nodeStatus(
    options: CallOptions = {},
  ): Promise<Record<string, Record<string, LookupNodeStatus>> | undefined> {
    const schema = z.record(z.string(), z.record(z.string(), nodeStatus));
    return readIfThere(this.transport, { operation, path: `${base}/nodeStatus` }, schema, options);
  }
}

function pathOf(tier: string, name: string): string {
  return path`/druid/coordinator/v1/lookups/config/${tier}/${name}`;
}
