import type { CommitRequest, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import type { DruidClient, SupervisorSpec, SupervisorStatus } from '@millrace/druid-client';
import type { KafkaRowsCommittable } from '../../../src/kafka/kafka-committable.js';
import type { RowBlock, RowTransport, TransportCommittable } from '../../../src/kafka/row-transport.js';

/** A topic in memory: blocks become visible when their transaction is committed. */
export class FakeTransport implements RowTransport {
  readonly topic = 'flights-topic';
  readonly consumerProperties = { 'bootstrap.servers': 'kafka:9092' };
  readonly transactionTimeoutMs = 900_000;
  readonly maxRecordBytes: number;
  readonly committed: unknown[] = [];
  /** By transaction. */
  readonly blocks = new Map<unknown, readonly RowBlock[]>();
  readonly #partitionCount: number;
  #transactions = 0;

  constructor(maxRecordBytes = 100, partitionCount = 3) {
    this.maxRecordBytes = maxRecordBytes;
    this.#partitionCount = partitionCount;
  }

  prepareTopic(): Promise<number> {
    return Promise.resolve(this.#partitionCount);
  }

  createWriter(_context?: SinkWriterContext): Promise<SinkWriter<RowBlock, TransportCommittable, never>> {
    let written: RowBlock[] = [];
    return Promise.resolve({
      write: (block) => void written.push(block),
      flush: () => undefined,
      prepareCommit: () => {
        if (written.length === 0) return [];
        const transaction = `t${++this.#transactions}`;
        this.blocks.set(transaction, written);
        const endOffsets = Object.fromEntries(written.map(({ partition }) => [partition, 10]));
        written = [];
        return [{ transaction, endOffsets }];
      },
      close: () => undefined,
    });
  }

  createCommitter() {
    return {
      commit: (requests: readonly CommitRequest<TransportCommittable>[]) => {
        this.committed.push(...requests.map(({ committable }) => committable.transaction));
        return Promise.resolve();
      },
    };
  }
}

/** What of Druid the mode asks for; `counts` by commit id. */
export class FakeDruid {
  readonly submitted: SupervisorSpec[] = [];
  readonly calls: string[] = [];
  spec: SupervisorSpec | undefined;
  history: { readonly version: string; readonly spec: object }[] | undefined;
  status: Partial<SupervisorStatus> | undefined = {
    detailedState: 'RUNNING',
    healthy: true,
    suspended: false,
  };
  counts = new Map<string, number>();
  parseErrors: { readonly input: string; readonly details: string[]; readonly errorType?: string }[] = [];
  failure: Error | undefined;
  /** Takes requests and does not answer. */
  isMute = false;

  /** Only what is called is there. */
  readonly client = {
    sql: { query: () => Promise.resolve([]) },
    tasks: {},
    close: () => undefined,
    native: {
      groupBy: () => {
        this.calls.push('count');
        return Promise.resolve(
          [...this.counts].map(([__commit_id, rows]) => ({ event: { __commit_id, rows } })),
        );
      },
    },
    supervisors: {
      get: () => Promise.resolve(this.spec),
      history: () => Promise.resolve(this.history),
      submit: (spec: SupervisorSpec) => {
        if (this.failure !== undefined) return Promise.reject(this.failure);
        this.submitted.push(spec);
        this.spec = spec;
        return Promise.resolve({ id: 'flights' });
      },
      status: (_id: string, { signal }: { signal?: AbortSignal } = {}) => {
        this.calls.push('status');
        if (this.isMute) return untilAborted(signal);
        return this.failure === undefined ? Promise.resolve(this.status) : Promise.reject(this.failure);
      },
      parseErrors: () => Promise.resolve(this.parseErrors),
      terminate: () => Promise.resolve(this.calls.push('terminate') > 0),
      suspend: () => Promise.resolve(this.calls.push('suspend') > 0),
    },
  } as unknown as DruidClient;
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => {
      reject(new Error('aborted'));
    });
  });
}

export function committableOf(
  commitId: string,
  rows: number,
  endOffsets: Readonly<Record<string, number>> = { 0: 10 },
): KafkaRowsCommittable {
  return {
    version: 1,
    transport: { transaction: commitId, endOffsets },
    dataSource: 'flights',
    rows,
    bytes: rows * 10,
    commitId,
    commitIdColumn: '__commit_id',
    countMetric: null,
    interval: '2001-01-01T00:00:00.000Z/2001-02-01T00:00:00.000Z',
  };
}
