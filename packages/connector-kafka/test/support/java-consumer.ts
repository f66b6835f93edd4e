import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KafkaBroker } from '@millrace/testkit';
import { expect } from 'vitest';

export interface ConsumedRecord {
  readonly partition: number;
  readonly key: string;
  readonly value: string;
}

/**
 * What Java's consumer sees with `read_committed`, in its order: up to the first open transaction, or with `all` when there is
 * none any more. Runs with the jars that the broker runs with.
 */
export async function consumeCommitted(
  kafka: KafkaBroker,
  topic: string,
  bootstrapServers = kafka.bootstrapServers,
  until?: 'all',
): Promise<ConsumedRecord[]> {
  const brokerArgs = (await readFile(`/proc/${kafka.pid}/cmdline`, 'utf8')).split('\0');
  const classPath = brokerArgs[brokerArgs.indexOf('-cp') + 1]!;
  const program = join(import.meta.dirname, 'ReadCommitted.java');
  const { stdout } = await promisify(execFile)(
    'java',
    ['-Xmx256m', '-cp', classPath, program, bootstrapServers, topic, ...(until === undefined ? [] : [until])],
    { maxBuffer: 1 << 28, timeout: 120_000 },
  );
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [partition, key, value] = line.split(' ') as [string, string, string];
      return { partition: Number(partition), key, value };
    });
}

/** Every number that `sendNumbers` has sent, once, in the order of its key. */
export function expectCopied(records: readonly ConsumedRecord[], count: number, keys: number): void {
  const byKey: Record<string, number[]> = {};
  for (const { key, value } of records) (byKey[key] ??= []).push(Number(value));
  const expected: Record<string, number[]> = {};
  for (let n = 0; n < count; n++) (expected[`k${n % keys}`] ??= []).push(n);
  expect(records.length).toBe(count);
  expect(byKey).toEqual(expected);
}
