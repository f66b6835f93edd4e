/** One input task whose operator writes down what it is told. */
import type { SegmentContent } from '../../src/checkpoint/segment.js';
import { MeterClock } from '../../src/metrics/meter-clock.js';
import { OperatorMetrics } from '../../src/metrics/operator-metrics.js';
import { TaskTimes } from '../../src/metrics/task-times.js';
import type { StreamOperator } from '../../src/operators/operator.js';
import { PendingCalls } from '../../src/runtime/pending-calls.js';
import { ChainOutput } from '../../src/runtime/chain-output.js';
import { Channel } from '../../src/runtime/channel.js';
import { decodeElements } from '../../src/runtime/in-flight.js';
import { InputTask } from '../../src/runtime/input-task.js';
import { RecordWriter } from '../../src/runtime/record-writer.js';
import type { RestoredRecords } from '../../src/runtime/restored-in-flight.js';
import type { SinkOperator } from '../../src/runtime/sink-operator.js';
import type { OperatorSnapshot, SubtaskState, TaskOperator } from '../../src/runtime/task.js';
import { Turn } from '../../src/runtime/turn.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { SubtaskRows } from '../../src/state/subtask-rows.js';
import { MIN_TIMESTAMP } from '../../src/time/watermark-strategy.js';
import { ManualClock } from './manual-clock.js';

/** A record (a function is one that is not plain data), a barrier by its checkpoint, a watermark, an idle mark, or the end. */
export type Item =
  string | number | (() => void) | { readonly at: number } | { readonly isIdle: boolean } | 'end';

export interface InputTaskRig {
  readonly task: InputTask;
  readonly channels: readonly Channel[];
  readonly snapshots: { readonly checkpointId: number; readonly operators: readonly OperatorSnapshot[] }[];
  readonly declined: { readonly checkpointId: number; readonly error: unknown }[];
  put(channel: number, ...items: readonly Item[]): void;
  /** Fills the output of the task until it has no room. */
  fillOutput(): void;
  /** Steps until nothing is left to do; returns what the operator was told since the last call. */
  run(): string[];
  /** What the task has put into its output since the last call. */
  passedOn(): string[];
  /** What a checkpoint holds of each channel: `channel: elements`. */
  inFlight(checkpointId: number): string[];
}

export interface RigOptions {
  readonly restoredWatermark?: number;
  readonly restoredRecords?: readonly RestoredRecords[];
  readonly storesState?: boolean;
  readonly operator?: Partial<StreamOperator>;
  readonly sink?: SinkOperator;
  /** Takes the rows. */
  readonly rows?: () => SegmentContent | undefined;
  /** Encodes them before that. */
  readonly encodeRows?: () => void;
}

const edge = { from: 'up', outputTag: undefined, inputIndex: 0, occurrence: 0 } as const;

export function inputTask(channelCount: number, options: RigOptions = {}): InputTaskRig {
  const { restoredWatermark = MIN_TIMESTAMP, restoredRecords = [], storesState = true, sink } = options;
  const log: string[] = [];
  const channels = Array.from({ length: channelCount }, () => new Channel());
  const out = new Channel();
  const metrics = new OperatorMetrics();
  const writer = new RecordWriter([out], () => 0, { name: 'Op', subtaskIndex: 0 });
  const operator: StreamOperator = {
    processElement: (value) => void log.push(String(value)),
    processWatermark: (timestamp) => void log.push(`watermark ${timestamp}`),
    processIdle: (isIdle) => void log.push(isIdle ? 'idle' : 'active'),
    snapshotState: (checkpointId) => void log.push(`snapshot ${checkpointId}`),
    finish: () => void log.push('finish'),
    ...options.operator,
  };
  const rows = new SubtaskRows({ isEnabled: storesState, maxParallelism: 128, restored: undefined });
  const { rows: takeRows, encodeRows } = options;
  if (takeRows !== undefined) {
    rows.snapshot = () => {
      encodeRows?.();
      return takeRows;
    };
  }
  const place = { type: 'Op', subtaskIndex: 0, maxParallelism: 128, metrics, rows };
  const chain: TaskOperator[] = [{ ...place, name: 'Op', uid: 'op', operator }];
  if (sink !== undefined) chain.push({ ...place, name: 'Sink', uid: 'sink', operator: sink });
  const snapshots: { checkpointId: number; operators: readonly OperatorSnapshot[] }[] = [];
  const declined: { checkpointId: number; error: unknown }[] = [];
  const task = new InputTask(
    'task',
    chain,
    [writer],
    {
      storesState,
      isSavepoint: () => false,
      pending: new PendingCalls(new ManualClock(), 1_000),
      onFailure: (error) => {
        throw error;
      },
      onSnapshot: (_task, checkpointId, operators) => {
        snapshots.push({ checkpointId, operators });
        log.push(`acknowledge ${checkpointId}`);
      },
      onDecline: (_task, checkpointId, error) => {
        declined.push({ checkpointId, error });
        log.push(`decline ${checkpointId}`);
      },
      onEnd: () => void log.push('end'),
      wake: () => undefined,
    },
    {
      channels: channels.map((channel, from) => ({
        channel,
        name: { edge, partitioning: 'rebalance', from },
        inputIndex: 0,
      })),
      restoredRecords,
      output: new ChainOutput(metrics),
      restoredWatermark,
      isGenerated: true,
      turn: new Turn(),
      times: new TaskTimes(new MeterClock(new ManualClock())),
    },
  );
  return {
    task,
    channels,
    snapshots,
    declined,
    put(channel, ...items) {
      for (const item of items) {
        if (item === 'end') channels[channel]?.put({ type: 'end' });
        else if (typeof item === 'number') channels[channel]?.put({ type: 'barrier', checkpointId: item });
        else if (typeof item === 'string' || typeof item === 'function')
          channels[channel]?.put({ type: 'records', values: [item], timestamps: [0] });
        else if ('at' in item) channels[channel]?.put({ type: 'watermark', timestamp: item.at });
        else channels[channel]?.put({ type: 'idle', ...item });
      }
    },
    fillOutput() {
      while (out.hasRoom) out.put({ type: 'records', values: ['full'], timestamps: [0] });
    },
    run() {
      while (task.step());
      return log.splice(0);
    },
    passedOn() {
      const types: string[] = [];
      for (let element = out.take(); element !== undefined; element = out.take()) types.push(element.type);
      return types;
    },
    inFlight(checkpointId) {
      const taken = snapshots.find((snapshot) => snapshot.checkpointId === checkpointId)?.operators[0];
      if (taken === undefined) throw new Error(`checkpoint ${checkpointId} was not acknowledged`);
      const { inFlight = [] } = decodeState(taken.bytes) as SubtaskState;
      return inFlight.map((channel) => {
        const elements = decodeElements(channel).map((element) => {
          if (element.type === 'records') return element.values.join(' ');
          return element.type === 'idle' ? `idle ${element.isIdle}` : `watermark ${element.timestamp}`;
        });
        return `${channel.from ?? 'restored'}: ${elements.join(', ')}`;
      });
    },
  };
}
