import { sql, type DruidClient } from '@millrace/druid-client';
import { DruidSourceError, DruidSourceRecordError, DruidSourceSchemaError } from '../errors.js';
import type { LoadLookupSettings } from './load-lookup.js';
import { lookupFailure } from './lookup-failure.js';

/** A lookup's whole map. */
export interface LookupMap {
  /** Of the definition that the map was read from; undefined where it was read by SQL. */
  readonly version: string | undefined;
  readonly entries: ReadonlyMap<string, string>;
}

/**
 * Reads a lookup. Gives `known` itself where its definition has not changed.
 *
 * @throws DruidSourceSchemaError (no such lookup), DruidSourceReadError, DruidSourceRecordError (too large)
 */
export async function readLookupMap(
  druid: DruidClient,
  settings: LoadLookupSettings,
  known: LookupMap | undefined,
  signal: AbortSignal,
): Promise<LookupMap> {
  try {
    if (settings.via === 'auto') {
      const map = await readDefinition(druid, settings, known, signal);
      if (map !== undefined) return map;
    }
    return { version: undefined, entries: await readRows(druid, settings, signal) };
  } catch (error) {
    signal.throwIfAborted();
    throw DruidSourceError.is(error) ? error : lookupFailure(`Reading lookup '${settings.name}'`, error);
  }
}

/** Undefined for a lookup whose definition does not hold its entries. */
async function readDefinition(
  druid: DruidClient,
  { name, tier, maxEntries }: LoadLookupSettings,
  known: LookupMap | undefined,
  signal: AbortSignal,
): Promise<LookupMap | undefined> {
  const stored = await druid.lookups.get(tier, name, { signal });
  if (stored === undefined) {
    const names = await druid.lookups.names(tier, { signal });
    throw new DruidSourceSchemaError(
      `Druid has no lookup '${name}' in tier '${tier}'. It has there: ${names?.join(', ') || 'none'}. Correct 'name' or 'tier'.`,
      { details: { lookup: name, tier } },
    );
  }
  const { type, map } = stored.lookupExtractorFactory;
  if (type !== 'map' || typeof map !== 'object' || map === null) return undefined;
  if (stored.version !== undefined && stored.version === known?.version) return known;
  const entries = Object.entries(map);
  if (entries.length > maxEntries) throw tooLarge(name, maxEntries);
  return {
    version: stored.version,
    // A definition may hold numbers, which Druid takes as text too.
    entries: new Map(entries.flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]]))),
  };
}

async function readRows(
  druid: DruidClient,
  { name, maxEntries }: LoadLookupSettings,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  const columns = { k: 'string not null', v: 'string' } as const;
  const rows = druid.sql.stream(sql`SELECT k, v FROM ${sql.identifier('lookup', name)}`, { columns, signal });
  for await (const batch of rows) {
    for (const { k, v } of batch) {
      if (v !== null) entries.set(k, v);
    }
    if (entries.size > maxEntries) throw tooLarge(name, maxEntries);
  }
  return entries;
}

function tooLarge(name: string, maxEntries: number): DruidSourceRecordError {
  return new DruidSourceRecordError(
    `Lookup '${name}' has more than ${maxEntries} entries. Raise 'maxEntries' if they fit into memory, or look keys up by a DruidLookup.`,
    { details: { lookup: name, maxEntries } },
  );
}
