import { KafkaError } from '../errors.js';
import type { KafkaClient } from '../protocol/kafka-client.js';
import { checkCode } from '../protocol/kafka-codes.js';
import { offsetCommit, type PartitionOffset } from '../protocol/read-apis.js';

/**
 * Tells a consumer group how far complete checkpoints are, for those who look at its lag. The job itself never reads it: a
 * commit that fails is logged, and the next one makes up for it.
 */
export class OffsetCommitter {
  readonly #client: KafkaClient;
  readonly #groupId: string;
  readonly #byCheckpoint = new Map<number, readonly PartitionOffset[]>();
  #isCommitting = false;
  #next: readonly PartitionOffset[] | undefined;

  constructor(client: KafkaClient, groupId: string) {
    this.#client = client;
    this.#groupId = groupId;
  }

  snapshot(checkpointId: number, offsets: readonly PartitionOffset[]): void {
    this.#byCheckpoint.set(checkpointId, offsets);
  }

  complete(checkpointId: number): void {
    const offsets = this.#byCheckpoint.get(checkpointId);
    for (const id of this.#byCheckpoint.keys()) if (id <= checkpointId) this.#byCheckpoint.delete(id);
    if (offsets === undefined || offsets.length === 0) return;
    this.#next = offsets;
    if (!this.#isCommitting) void this.#commit();
  }

  /** Never rejects. */
  async #commit(): Promise<void> {
    this.#isCommitting = true;
    for (let offsets = this.#take(); offsets !== undefined; offsets = this.#take()) {
      const groupId = this.#groupId;
      try {
        const results = await this.#client.toCoordinator('group', groupId, offsetCommit, {
          groupId,
          offsets,
        });
        for (const { errorCode } of results) checkCode(`Committing offsets of '${groupId}'`, errorCode);
      } catch (error) {
        this.#client.forgetCoordinator('group', groupId);
        if (this.#client.context.signal.aborted) break;
        const said = KafkaError.is(error) ? error.message : String(error);
        this.#client.context.logger.warn('the offsets of a checkpoint were not committed to the group', {
          groupId,
          error: said,
        });
      }
    }
    this.#isCommitting = false;
  }

  #take(): readonly PartitionOffset[] | undefined {
    const offsets = this.#next;
    this.#next = undefined;
    return offsets;
  }
}
