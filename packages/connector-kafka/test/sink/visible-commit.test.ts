import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Transactions } from '../../src/sink/transactions.js';
import { abortVisibly, commitVisibly } from '../../src/sink/visible-commit.js';

const ID = 'p-0-0123456789ab-1';
const PARTITIONS = [0, 1, 2].map((partition) => ({ topic: 't', partition }));
const NO_TROUBLE: number[] = [];

/**
 * A coordinator that forgets markers as Kafka 4.3.1 does. Before each of its steps `trouble` says which partition loses its
 * leader, or gets one again; numbers beyond the partitions leave all as it is.
 */
class ForgetfulBroker {
  readonly calls: string[] = [];
  readonly #trouble: number[];
  readonly #logs = PARTITIONS.map(() => ({ hasLeader: true, epoch: 0, isOpen: true }));
  #state: 'Ongoing' | 'PrepareCommit' | 'CompleteCommit' | 'CompleteAbort' = 'Ongoing';
  #producerEpoch = 0;
  #inTransaction = new Set(PARTITIONS.map(({ partition }) => partition));

  constructor(trouble: readonly number[]) {
    this.#trouble = [...trouble];
  }

  get open(): number[] {
    return this.#logs.flatMap(({ isOpen }, partition) => (isOpen ? [partition] : []));
  }

  readonly transactions = {
    describe: () => this.#describe(),
    leaderEpochs: () => {
      this.#step();
      for (const log of this.#logs) if (!log.hasLeader) this.#turn(log);
      return Promise.resolve(new Map(this.#logs.map(({ epoch }, partition) => [`t-${partition}`, epoch])));
    },
    commit: () => {
      this.calls.push('commit');
      this.#step();
      if (this.#state === 'Ongoing') this.#state = 'PrepareCommit';
      const isAnswerLost = this.#trouble.shift() === 0;
      if (isAnswerLost) this.#writeMarkers();
      return Promise.resolve({ errorCode: 0, attempts: isAnswerLost ? 2 : 1 });
    },
    ended: () => {
      if (this.#state === 'PrepareCommit') this.#writeMarkers();
      return this.#describe();
    },
    init: () => {
      this.calls.push('init');
      this.#step();
      this.#producerEpoch++;
      if (this.#state === 'Ongoing') this.#writeMarkers('CompleteAbort');
      return Promise.resolve({ producerId: 7, producerEpoch: this.#producerEpoch });
    },
    addPartitions: (_: unknown, partitions: typeof PARTITIONS) => {
      this.calls.push('add');
      this.#step();
      this.#state = 'Ongoing';
      this.#inTransaction = new Set(partitions.map(({ partition }) => partition));
      return Promise.resolve();
    },
  } as unknown as Transactions;

  #describe() {
    const { state, producerId, producerEpoch } = {
      state: this.#state,
      producerId: 7,
      producerEpoch: this.#producerEpoch,
    };
    return Promise.resolve({ state, producerId, producerEpoch, partitions: PARTITIONS });
  }

  #writeMarkers(to: 'CompleteCommit' | 'CompleteAbort' = 'CompleteCommit'): void {
    for (const partition of this.#inTransaction) {
      this.#step();
      if (this.#logs[partition]!.hasLeader) this.#logs[partition]!.isOpen = false;
    }
    this.#state = to;
  }

  #step(): void {
    const log = this.#logs[this.#trouble.shift() ?? Infinity];
    if (log !== undefined) this.#turn(log);
  }

  #turn(log: { hasLeader: boolean; epoch: number }): void {
    log.hasLeader = !log.hasLeader;
    log.epoch++;
  }
}

const transaction = { transactionalId: ID, producerId: 7, producerEpoch: 0, partitions: PARTITIONS };
const trouble = fc.array(fc.nat(6), { maxLength: 60 });

describe('commitVisibly', () => {
  it('says a commit once where no leader changes', async () => {
    const broker = new ForgetfulBroker(NO_TROUBLE);
    expect(await commitVisibly(broker.transactions, transaction, false)).toMatchObject({ isCommitted: true });
    expect(broker.calls).toEqual(['commit']);
    expect(broker.open).toEqual([]);
  });

  it('says it again where an earlier run may have said it (invariant 2)', async () => {
    const broker = new ForgetfulBroker(NO_TROUBLE);
    await commitVisibly(broker.transactions, transaction, true);
    expect(broker.calls).toEqual(['commit', 'add', 'commit']);
  });

  it('leaves no partition without its marker, whenever leaders come and go (invariant 1)', async () => {
    await fc.assert(
      fc.asyncProperty(trouble, fc.boolean(), async (changes, isRepeated) => {
        const broker = new ForgetfulBroker(changes);
        if (isRepeated) {
          // Another process has committed it, and nobody has looked what became of it.
          await broker.transactions.commit(transaction);
          await broker.transactions.ended(ID);
        }
        const { isCommitted } = await commitVisibly(broker.transactions, transaction, isRepeated);
        expect(isCommitted).toBe(true);
        expect(broker.open).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('says so where the transaction is aborted', async () => {
    const broker = new ForgetfulBroker(NO_TROUBLE);
    await broker.transactions.init(ID, 1_000);
    const outcome = await commitVisibly(broker.transactions, transaction, true);
    expect(outcome).toMatchObject({ isCommitted: false, found: { state: 'CompleteAbort' } });
  });
});

describe('abortVisibly', () => {
  it('leaves no partition without its marker either', async () => {
    await fc.assert(
      fc.asyncProperty(trouble, async (changes) => {
        const broker = new ForgetfulBroker(changes);
        await abortVisibly(broker.transactions, ID, 1_000);
        expect(broker.open).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
