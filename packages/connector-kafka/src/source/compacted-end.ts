import type { BrokerAddress } from '../protocol/cluster-apis.js';
import type { KafkaClient } from '../protocol/kafka-client.js';
import { checkCode } from '../protocol/kafka-codes.js';
import { EARLIEST_LOCAL, listLocalOffsets } from '../protocol/read-apis.js';
import type { FetchedSplit } from './fetched-split.js';

/**
 * Whether a leader that was asked for `offset` first, and had nothing, has nothing from there on: compaction has left no record
 * of it. From a log with remote storage an empty answer says only that reading there takes long, so it does not count for
 * offsets that the leader has no more itself. Other leaders always have one record at least to give.
 */
export async function isNothingLeft(
  { split }: FetchedSplit<never>,
  offset: number,
  leader: BrokerAddress,
  client: KafkaClient,
): Promise<boolean> {
  if (!(await client.understands(leader, listLocalOffsets))) return true; // it is older than remote storage
  const partitions = [{ ...split, timestamp: EARLIEST_LOCAL }];
  const [listed] = await client.request(leader, listLocalOffsets, { isReadCommitted: false, partitions });
  if (listed === undefined) return false;
  checkCode(`Looking up the first local offset of ${split.splitId}`, listed.errorCode);
  return listed.offset >= 0 && listed.offset <= offset;
}
