/** Reads the rows of an operator whose keys have another version in the program than in the checkpoint. */
import type { RestoredRows, StoredEntry } from '../checkpoint/segment-reader.js';
import { CheckpointError } from '../errors.js';
import { keySchemaOf, type PlanNode } from '../plan/execution-plan.js';
import { encodeState } from '../state/canonical-encoding.js';
import { keyGroupOf, type KeyGroupRange } from '../state/key-groups.js';
import { rowId, type StoredRow } from '../state/rows.js';
import { migrationOf, whyNotFrom } from '../state/state-schema.js';
import { describeValue } from './describe-value.js';

/**
 * Takes a function that makes a key of the program of one in the checkpoint; `undefined` where they are the same.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where there is no way from the stored version
 */
export function keyMigrationOf(
  node: PlanNode,
  storedVersion: number,
): ((key: unknown) => unknown) | undefined {
  return migrationOf(keySchemaOf(node), storedVersion, `The key of '${node.name}'`);
}

/** Why the program cannot read keys of a version; `undefined` where it can. */
export function whyNoKeyMigration(node: PlanNode, storedVersion: number): CheckpointError | undefined {
  return whyNotFrom(keySchemaOf(node), storedVersion, `The key of '${node.name}'`);
}

/** `rows` has all key groups: a migrated key may belong to another one. Gives those of `keyGroups`. */
export function migratedRows(
  rows: RestoredRows,
  migrate: (key: unknown) => unknown,
  { name, maxParallelism }: Pick<PlanNode, 'name' | 'maxParallelism'>,
  { start, end }: KeyGroupRange,
): RestoredRows {
  function* migrated(
    table: string,
  ): Iterable<StoredRow & { readonly id: Uint8Array; readonly keyGroup: number }> {
    const seen = new Map<string, unknown>();
    for (const { key: old, namespace, data } of rows.rows(table)) {
      const key = migrate(old);
      const keyGroup = keyGroupOf(key, maxParallelism);
      if (keyGroup < start || keyGroup >= end) continue;
      const id = rowId(key, namespace);
      const text = Buffer.from(id).toString('latin1');
      if (seen.has(text)) throw collision(name, seen.get(text), old, key);
      seen.set(text, old);
      yield { key, namespace, data, id, keyGroup };
    }
  }
  return {
    tables: () => rows.tables(),
    rows: migrated,
    *entries(table): Iterable<StoredEntry> {
      for (const { id, keyGroup, data } of migrated(table)) yield { id, keyGroup, data: encodeState(data) };
    },
  };
}

function collision(name: string, first: unknown, second: unknown, key: unknown): CheckpointError {
  return new CheckpointError(
    `The keys ${describeValue(first)} and ${describeValue(second)} of '${name}' both become ${describeValue(key)}: the state of one would be lost. ` +
      'Mend the migration of the key, so that different keys stay different.',
    { details: { operator: name } },
  );
}
