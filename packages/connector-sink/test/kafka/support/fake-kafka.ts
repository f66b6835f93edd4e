import type { CommitRequest, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import type {
  DruidClient,
  KafkaSupervisorSpec,
  SupervisorSpec,
  SupervisorStatus,
} from '@millrace/druid-client';
import type { KafkaRows } from '../../../src/kafka/kafka-committable.js';
import type { RowBlock, RowTransport, TransportCommittable } from '../../../src/kafka/row-transport.js';

/** Topics in memory, `<datasource>-topic`: blocks become visible when their transaction is committed. */
export class FakeTransport implements RowTransport {
  readonly consumerProperties = { 'bootstrap.servers': 'kafka:9092' };
  readonly transactionTimeoutMs = 900_000;
  readonly maxRecordBytes: number;
  readonly committed: unknown[] = [];
  /** By transaction. */
  readonly blocks = new Map<unknown, readonly RowBlock[]>();
  /** By name. */
  readonly writtenOnce = new Map<string, readonly RowBlock[]>();
  readonly #partitionCount: number;
  #transactions = 0;

  constructor(maxRecordBytes = 100, partitionCount = 3) {
    this.maxRecordBytes = maxRecordBytes;
    this.#partitionCount = partitionCount;
  }

  topicOf(dataSource: string): string {
    return `${dataSource}-topic`;
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
        const endOffsets: Record<string, Record<string, number>> = {};
        for (const { topic, partition } of written) (endOffsets[topic] ??= {})[partition] = 10;
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

  writeOnce(name: string, blocks: readonly RowBlock[]): Promise<void> {
    if (!this.writtenOnce.has(name)) this.writtenOnce.set(name, blocks);
    return Promise.resolve();
  }
}

/** What of Druid the mode asks for; `counts` by commit id, or by datasource and commit id. */
export class FakeDruid {
  readonly submitted: SupervisorSpec[] = [];
  readonly calls: string[] = [];
  /** By supervisor. */
  readonly specs = new Map<string, SupervisorSpec>();
  history: { readonly version: string; readonly spec: object }[] | undefined;
  status: Partial<SupervisorStatus> | undefined = {
    detailedState: 'RUNNING',
    healthy: true,
    suspended: false,
  };
  counts = new Map<string, number>();
  parseErrors: {
    readonly input: string;
    readonly details: string[];
    readonly errorType?: string;
    /** Of this one's supervisor alone. */
    readonly dataSource?: string;
  }[] = [];
  failure: Error | undefined;
  /** Takes requests and does not answer. */
  isMute = false;

  /** Only what is called is there. */
  readonly client = {
    sql: { query: () => Promise.resolve([]) },
    tasks: { list: () => Promise.resolve([]) },
    close: () => undefined,
    native: {
      groupBy: ({ dataSource, filter }: { dataSource: string; filter: { values: string[] } }) => {
        this.calls.push('count');
        const counts = filter.values.map((id) => [
          id,
          this.counts.get(`${dataSource} ${id}`) ?? this.counts.get(id) ?? 0,
        ]);
        return Promise.resolve(counts.map(([__commit_id, rows]) => ({ event: { __commit_id, rows } })));
      },
    },
    supervisors: {
      get: (id: string) => Promise.resolve(this.specs.get(id)),
      history: () => Promise.resolve(this.history),
      submit: (spec: KafkaSupervisorSpec) => {
        if (this.failure !== undefined) return Promise.reject(this.failure);
        this.submitted.push(spec);
        const id = spec.spec.dataSchema.dataSource;
        this.specs.set(id, spec);
        return Promise.resolve({ id });
      },
      status: (_id: string, { signal }: { signal?: AbortSignal } = {}) => {
        this.calls.push('status');
        if (this.isMute) return untilAborted(signal);
        return this.failure === undefined ? Promise.resolve(this.status) : Promise.reject(this.failure);
      },
      parseErrors: (id: string) =>
        Promise.resolve(this.parseErrors.filter(({ dataSource = id }) => dataSource === id)),
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

/** One writer's rows for `flights`. */
export function rowsOf(
  commitId: string,
  rows: number,
  endOffsets: Readonly<Record<string, number>> = { 0: 10 },
): KafkaRows {
  return {
    dataSource: 'flights',
    rows,
    bytes: rows * 10,
    commitId,
    commitIdColumn: '__commit_id',
    countMetric: null,
    interval: '2001-01-01T00:00:00.000Z/2001-02-01T00:00:00.000Z',
    endOffsets,
  };
}
