/** Makes the tasks of a plan: operators wired to each other inside a chain, and by channels between chains. */
import { batchOperator } from '../batch/batch-input-operator.js';
import type { BatchOptions } from '../batch/batch-options.js';
import { CheckpointError } from '../errors.js';
import type { SinkContext, SinkWriter } from '../connectors/sink.js';
import type { SourceReader, SourceSplit } from '../connectors/source.js';
import type { AnySink, SourceSpec } from '../graph/stream-graph.js';
import type { JobMetrics } from '../metrics/job-metrics.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import { addMetrics, OperatorMetrics } from '../metrics/operator-metrics.js';
import type { OperatorContext, StreamOperator } from '../operators/operator.js';
import { typeOf, type ExecutionPlan, type PlanNode, type PlanVertex } from '../plan/execution-plan.js';
import { decodeState } from '../state/canonical-decoding.js';
import { keyGroupRangeOf, type KeyGroupRange } from '../state/key-groups.js';
import { shareOf } from '../state/redistribution.js';
import type { SubtaskRows } from '../state/subtask-rows.js';
import type { Clock } from '../time/clock.js';
import { lowestWatermark, restoredWatermark } from '../time/restored-watermark.js';
import { WatermarkTracker } from '../time/watermark-tracker.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { ChainOutput } from './chain-output.js';
import { ChannelNetwork } from './channel-network.js';
import { channelSelector } from './channel-selector.js';
import type { Describer } from './describe-value.js';
import { InputTask } from './input-task.js';
import { scopedLogger, type Logger } from './logger.js';
import { describeCall, operatorError, type FailingOperator } from './operator-error.js';
import { RecordWriter } from './record-writer.js';
import { restoreInFlight, type RestoredInFlight } from './restored-in-flight.js';
import { SinkOperator } from './sink-operator.js';
import { SourceOperator, SourceTask, type SourceSubtaskState } from './source-task.js';
import { emittedOutside, Turn } from './turn.js';
import type { SubtaskState, Task, TaskListener, TaskOperator } from './task.js';

/** What every subtask of an operator has of its own. */
interface OperatorScope {
  readonly metrics: MetricGroup;
  readonly logger: Logger;
}

export interface TaskBuilderOptions {
  readonly plan: ExecutionPlan;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly describer: Describer;
  readonly metrics: JobMetrics;
  readonly signal: AbortSignal;
  readonly watermarkIntervalMs: number;
  readonly batch: BatchOptions;
  /** Whether chains are compiled to generated code. */
  readonly isGenerated: boolean;
  readonly listener: TaskListener;
  /** See `OperatorContext.isRescaled`. */
  readonly isRescaled: boolean;
  /** The subtask states of an operator in the restored checkpoint, ascending by subtask; `undefined` on a fresh start. */
  restoredStates(uid: string): readonly Uint8Array[] | undefined;
  /** The rows of one subtask of an operator, with those of the restored checkpoint. */
  subtaskRows(node: PlanNode, keyGroups: KeyGroupRange): Promise<SubtaskRows>;
  /** Whether the operator's keys have become others since the restored checkpoint. */
  hasOtherKeys(node: PlanNode): boolean;
  /** Whether what is in flight on edges that the program no longer has may be lost. */
  readonly allowNonRestoredState: boolean;
  /** The splits that a restored reader starts with. */
  restoredSplits(
    node: PlanNode,
    subtaskIndex: number,
    states: readonly SourceSubtaskState[],
  ): readonly SourceSplit[];
  requestSplit(uid: string, subtaskIndex: number): void;
  sinkContext(node: PlanNode): SinkContext;
}

export interface BuiltTasks {
  readonly tasks: readonly Task[];
  /** By uid, one task per subtask. */
  readonly sourceTasks: ReadonlyMap<string, readonly SourceTask[]>;
}

/** After a failure that leaves no job to close them. What fails now is reported, but is not why the job failed. */
async function closeAll(operators: readonly TaskOperator[], options: TaskBuilderOptions): Promise<void> {
  const { logger, listener } = options;
  for (const chained of operators) {
    try {
      await listener.pending.run(describeCall(chained, 'closing'), () => chained.operator.close?.());
    } catch (error) {
      logger.warn('closing failed', { error: operatorError(error, chained, 'closing').message });
    }
  }
}

export async function buildTasks(options: TaskBuilderOptions): Promise<BuiltTasks> {
  const { plan, inFlight } = restoreInFlight(options.plan, options);
  const network = new ChannelNetwork(plan, inFlight);
  const tasks: Task[] = [];
  const sourceTasks = new Map<string, SourceTask[]>();
  for (const vertex of plan.vertices) {
    for (let subtaskIndex = 0; subtaskIndex < vertex.parallelism; subtaskIndex++) {
      const task = await new SubtaskBuilder(options, vertex, subtaskIndex, network, inFlight)
        .build()
        .catch(async (error: unknown) => {
          for (const made of tasks) await closeAll(made.chained, options);
          throw error;
        });
      tasks.push(task);
      if (task instanceof SourceTask) {
        const { uid } = vertex.nodes[0]!;
        sourceTasks.set(uid, [...(sourceTasks.get(uid) ?? []), task]);
      }
    }
  }
  return { tasks, sourceTasks };
}

/** State is read by the kind of operator that wrote it, and keyed state with as many key groups. */
function requireSameKind(node: PlanNode, restored: readonly SubtaskState[]): void {
  const details = { operator: node.name, uid: node.uid };
  const written = restored.find(({ state }) => state !== undefined);
  if (written !== undefined && written.type !== typeOf(node)) {
    throw new CheckpointError(
      `The checkpoint holds state of a '${written.type}' under the uid '${node.uid}', where the program has the '${typeOf(node)}' '${node.name}'. ` +
        'Give the new operator a uid of its own.',
      { details },
    );
  }
  const isKeyed = node.spec.kind === 'operator' && node.spec.keySelectors !== undefined;
  const other = restored.find(({ maxParallelism }) => maxParallelism !== node.maxParallelism);
  if (!isKeyed || other === undefined) return;
  throw new CheckpointError(
    `The checkpoint of '${node.name}' was taken with max parallelism ${other.maxParallelism}, the program has ${node.maxParallelism}. ` +
      'Keys would end up in other subtasks: set maxParallelism back.',
    { details },
  );
}

class SubtaskBuilder {
  readonly #options: TaskBuilderOptions;
  readonly #vertex: PlanVertex;
  readonly #subtaskIndex: number;
  readonly #network: ChannelNetwork;
  readonly #inFlight: RestoredInFlight;
  readonly #outputs = new Map<number, ChainOutput>();
  readonly #writers: RecordWriter[] = [];
  readonly #operators: TaskOperator[] = [];
  readonly #turn = new Turn();
  #source: SourceOperator | undefined;
  #task: Task | undefined;
  #headWatermark = MIN_TIMESTAMP;

  constructor(
    options: TaskBuilderOptions,
    vertex: PlanVertex,
    subtaskIndex: number,
    network: ChannelNetwork,
    inFlight: RestoredInFlight,
  ) {
    this.#options = options;
    this.#vertex = vertex;
    this.#subtaskIndex = subtaskIndex;
    this.#network = network;
    this.#inFlight = inFlight;
  }

  async build(): Promise<Task> {
    try {
      for (const node of this.#vertex.nodes) {
        await this.#addOperator(node);
        this.#options.signal.throwIfAborted();
      }
    } catch (error) {
      await closeAll(this.#operators, this.#options);
      throw error;
    }
    for (const node of this.#vertex.nodes) this.#connect(node);
    for (const node of this.#vertex.nodes) {
      const at = this.#at(node);
      const refuse = () =>
        this.#options.listener.onFailure(operatorError(emittedOutside(), at, 'emitting a record'));
      this.#outputs.get(node.id)!.link(node.uid, this.#options.isGenerated, this.#turn, refuse);
    }
    const id = `${this.#vertex.id}#${this.#subtaskIndex}`;
    const head = this.#vertex.nodes[0]!;
    const times = this.#options.metrics.addTask(this.#vertex, this.#subtaskIndex);
    this.#task =
      this.#source === undefined
        ? new InputTask(id, this.#operators, this.#writers, this.#options.listener, {
            channels: this.#network.inputs(head, this.#subtaskIndex),
            restoredRecords: this.#inFlight.records(head, this.#subtaskIndex),
            output: this.#outputs.get(head.id)!,
            restoredWatermark: this.#headWatermark,
            isGenerated: this.#options.isGenerated,
            turn: this.#turn,
            times,
          })
        : new SourceTask(id, this.#operators, this.#writers, this.#options.listener, this.#source, {
            watermarkIntervalMs: this.#options.watermarkIntervalMs,
            clock: this.#options.clock,
            turn: this.#turn,
            times,
          });
    return this.#task;
  }

  async #addOperator(node: PlanNode): Promise<void> {
    const metrics = new OperatorMetrics();
    const group = this.#options.metrics.operatorGroup({
      name: node.name,
      uid: node.uid,
      subtaskIndex: this.#subtaskIndex,
    });
    const scope: OperatorScope = {
      metrics: group,
      logger: scopedLogger(this.#options.logger, { operator: node.name, subtask: this.#subtaskIndex }),
    };
    const output = new ChainOutput(metrics);
    this.#outputs.set(node.id, output);
    const restored = this.#options
      .restoredStates(node.uid)
      ?.map((bytes) => decodeState(bytes) as SubtaskState);
    requireSameKind(node, restored ?? []);
    // Totals go on; after a change of parallelism the last subtask takes those of subtasks that are no more.
    restored?.forEach((state, index) => {
      if (Math.min(index, this.#vertex.parallelism - 1) === this.#subtaskIndex)
        addMetrics(metrics, state.metrics);
    });
    const watermark = this.#restoredWatermark(node, restored ?? []);
    if (node === this.#vertex.nodes[0]) this.#headWatermark = watermark;
    const rows = await this.#options.subtaskRows(node, this.#keyGroups(node));
    const operator = await this.#createOperator(
      node,
      output,
      restored?.map((state) => state.state),
      rows,
      watermark,
      scope,
    );
    rows.release();
    this.#options.metrics.addOperator(group, { metrics, operator, rows });
    if (operator.fused?.kind === 'map') metrics.out = metrics.in;
    this.#operators.push({
      name: node.name,
      uid: node.uid,
      type: typeOf(node),
      subtaskIndex: this.#subtaskIndex,
      describer: this.#options.describer,
      maxParallelism: node.maxParallelism,
      operator,
      metrics,
      rows,
    });
  }

  async #createOperator(
    node: PlanNode,
    output: ChainOutput,
    restored: readonly unknown[] | undefined,
    rows: SubtaskRows,
    watermark: number,
    scope: OperatorScope,
  ): Promise<StreamOperator> {
    const { spec } = node;
    switch (spec.kind) {
      case 'source':
        return (this.#source = this.#createSource(
          node,
          spec,
          output,
          (restored ?? []) as SourceSubtaskState[],
          watermark,
          scope,
        ));
      case 'operator': {
        const { plan, batch } = this.#options;
        const factory = plan.isBatch ? batchOperator(spec, batch) : spec.factory;
        return this.#named(node, 'being made', () =>
          factory(this.#operatorContext(node, restored, rows, scope), output),
        );
      }
      case 'sink': {
        const states = (restored ?? []).map((state) => (state as readonly unknown[] | undefined) ?? []);
        const { parallelism } = node;
        const own = shareOf(states, { subtaskIndex: this.#subtaskIndex, parallelism });
        return new SinkOperator(await this.#createWriter(node, spec.sink, own, scope), output);
      }
    }
  }

  #createSource(
    node: PlanNode,
    spec: SourceSpec,
    output: ChainOutput,
    restored: readonly SourceSubtaskState[],
    watermark: number,
    scope: OperatorScope,
  ): SourceOperator {
    const { clock, signal } = this.#options;
    const context = {
      subtaskIndex: this.#subtaskIndex,
      parallelism: node.parallelism,
      operatorUid: node.uid,
      clock,
      ...scope,
      signal,
      requestSplit: () => this.#options.requestSplit(node.uid, this.#subtaskIndex),
    };
    const reader = this.#named(node, 'creating its reader', () =>
      spec.source.createReader(context),
    ) as SourceReader<unknown, SourceSplit>;
    const tracker = new WatermarkTracker(spec.watermarks, clock, output, node.name, this.#options.describer);
    const splits = this.#options.restoredSplits(node, this.#subtaskIndex, restored);
    return new SourceOperator(reader, output, tracker, watermark, splits);
  }

  async #createWriter(
    node: PlanNode,
    sink: AnySink,
    restored: readonly unknown[],
    scope: OperatorScope,
  ): Promise<SinkWriter<unknown>> {
    const context = { ...this.#options.sinkContext(node), subtaskIndex: this.#subtaskIndex, ...scope };
    const doing = 'creating its writer';
    try {
      const call = describeCall(this.#at(node), doing);
      return await this.#options.listener.pending.run(call, () => sink.createWriter(context, restored));
    } catch (error) {
      throw operatorError(error, this.#at(node), doing);
    }
  }

  #named<R>(node: PlanNode, doing: string, work: () => R): R {
    try {
      return work();
    } catch (error) {
      throw operatorError(error, this.#at(node), doing);
    }
  }

  #at(node: PlanNode): FailingOperator {
    return { name: node.name, subtaskIndex: this.#subtaskIndex, describer: this.#options.describer };
  }

  #restoredWatermark(node: PlanNode, restored: readonly SubtaskState[]): number {
    if (node.spec.kind !== 'source') {
      // What it had come to itself, upstream tells it again; as long as it is given the same records.
      return lowestWatermark(restored.map(({ watermark }) => ({ watermark, isIdle: false })));
    }
    const reached = restored.map(({ watermark, state }) => {
      return { watermark, isIdle: (state as SourceSubtaskState).isIdle };
    });
    return restoredWatermark(reached, this.#subtaskIndex, node.parallelism);
  }

  #keyGroups(node: PlanNode): KeyGroupRange {
    return keyGroupRangeOf(this.#subtaskIndex, node.parallelism, node.maxParallelism);
  }

  #operatorContext(
    node: PlanNode,
    restored: readonly unknown[] | undefined,
    rows: SubtaskRows,
    scope: OperatorScope,
  ): OperatorContext {
    const { clock, signal, describer, watermarkIntervalMs } = this.#options;
    return {
      operatorName: node.name,
      operatorUid: node.uid,
      subtaskIndex: this.#subtaskIndex,
      parallelism: node.parallelism,
      maxParallelism: node.maxParallelism,
      keyGroups: this.#keyGroups(node),
      clock,
      ...scope,
      signal,
      describer,
      watermarkIntervalMs,
      isBatch: this.#options.plan.isBatch,
      restored,
      ...rows.access,
      isRescaled: this.#options.isRescaled,
      post: (callback) => this.#task?.post(() => this.#named(node, 'handling a result', callback)),
      schedule: (delayMs, callback) => {
        let isCancelled = false;
        const cancel = clock.schedule(delayMs, () => {
          this.#task?.post(() => {
            if (!isCancelled) this.#named(node, 'handling a timer', callback);
          });
        });
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
  }

  #connect(node: PlanNode): void {
    const output = this.#outputs.get(node.id)!;
    for (const edge of this.#vertex.chainEdges) {
      if (edge.from !== node.id) continue;
      const index = this.#vertex.nodes.findIndex((other) => other.id === edge.to);
      output.add(
        { kind: 'operator', chained: this.#operators[index]!, output: this.#outputs.get(edge.to)! },
        edge.outputTag,
      );
    }
    for (const { edge, target, channels } of this.#network.outputs(node, this.#subtaskIndex)) {
      const select = channelSelector(edge.partitioning, {
        channelCount: channels.length,
        subtaskIndex: this.#subtaskIndex,
        maxParallelism: target.maxParallelism,
      });
      const writer = new RecordWriter(channels, select, this.#at(node));
      this.#writers.push(writer);
      output.add({ kind: 'writer', writer }, edge.outputTag);
    }
  }
}
