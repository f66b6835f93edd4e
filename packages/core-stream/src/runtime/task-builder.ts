/** Makes the tasks of a plan: operators wired to each other inside a chain, and by channels between chains. */
import type { PlanVertex } from '../plan/execution-plan.js';
import { ChannelNetwork } from './channel-network.js';
import { channelSelector } from './channel-selector.js';
import { InputTask } from './input-task.js';
import { OperatorBuilder, type BuiltOperator, type OperatorBuilderOptions } from './operator-builder.js';
import { describeCall, operatorError } from './operator-error.js';
import { RecordWriter } from './record-writer.js';
import { restoreInFlight, type RestoredInFlight } from './restored-in-flight.js';
import { SourceOperator, SourceTask } from './source-task.js';
import { emittedOutside, Turn } from './turn.js';
import type { Task, TaskListener, TaskOperator } from './task.js';

export interface TaskBuilderOptions extends OperatorBuilderOptions {
  readonly listener: TaskListener;
}

export interface BuiltTasks {
  readonly tasks: readonly Task[];
  /** By uid, one task per subtask. */
  readonly sourceTasks: ReadonlyMap<string, readonly SourceTask[]>;
}

export async function buildTasks(options: TaskBuilderOptions): Promise<BuiltTasks> {
  const { job, restored, comparison } = options;
  const { plan, inFlight } = restoreInFlight(job.plan, {
    isRescaled: restored.isRescaled,
    allowNonRestoredState: job.checkpointing?.allowNonRestoredState ?? false,
    restoredStates: (uid) => restored.operatorStates(uid),
    hasOtherKeys: (node) => restored.hasOtherKeys(node),
    differs: (node, difference) => comparison.differs(node, difference),
  });
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

/** After a failure that leaves no job to close them. What fails now is reported, but is not why the job failed. */
async function closeAll(operators: readonly TaskOperator[], options: TaskBuilderOptions): Promise<void> {
  const { job, pending } = options;
  for (const chained of operators) {
    try {
      await pending.run(describeCall(chained, 'closing'), () => chained.operator.close?.());
    } catch (error) {
      job.logger.warn('closing failed', { error: operatorError(error, chained, 'closing').message });
    }
  }
}

class SubtaskBuilder {
  readonly #options: TaskBuilderOptions;
  readonly #vertex: PlanVertex;
  readonly #subtaskIndex: number;
  readonly #network: ChannelNetwork;
  readonly #inFlight: RestoredInFlight;
  readonly #turn = new Turn();
  /** As the nodes of the vertex: the head comes first. */
  readonly #built: BuiltOperator[] = [];
  readonly #writers: RecordWriter[] = [];
  #task: Task | undefined;

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
    await this.#buildOperators();
    for (const built of this.#built) this.#connect(built);
    for (const built of this.#built) this.#link(built);
    this.#task = this.#createTask();
    return this.#task;
  }

  async #buildOperators(): Promise<void> {
    const post = (mail: () => void) => this.#task?.post(mail);
    try {
      for (const node of this.#vertex.nodes) {
        const builder = new OperatorBuilder(this.#options, node, this.#subtaskIndex, post);
        this.#built.push(await builder.build());
        this.#options.signal.throwIfAborted();
      }
    } catch (error) {
      await closeAll(this.#operators, this.#options);
      throw error;
    }
  }

  get #operators(): readonly TaskOperator[] {
    return this.#built.map(({ chained }) => chained);
  }

  /** Says where an operator emits to. */
  #connect({ node, chained, output }: BuiltOperator): void {
    for (const { from, to, outputTag } of this.#vertex.chainEdges) {
      if (from !== node.id) continue;
      const next = this.#built.find((other) => other.node.id === to)!;
      output.add({ kind: 'operator', chained: next.chained, output: next.output }, outputTag);
    }
    for (const { edge, target, channels } of this.#network.outputs(node, this.#subtaskIndex)) {
      const select = channelSelector(edge.partitioning, {
        channelCount: channels.length,
        subtaskIndex: this.#subtaskIndex,
        maxParallelism: target.maxParallelism,
      });
      const writer = new RecordWriter(channels, select, chained);
      this.#writers.push(writer);
      output.add({ kind: 'writer', writer }, edge.outputTag);
    }
  }

  #link({ node, chained, output }: BuiltOperator): void {
    const { job, listener } = this.#options;
    const refuse = () => listener.onFailure(operatorError(emittedOutside(), chained, 'emitting a record'));
    output.link(node.uid, job.isGenerated, this.#turn, refuse);
  }

  #createTask(): Task {
    const { job, listener } = this.#options;
    const subtaskIndex = this.#subtaskIndex;
    const id = `${this.#vertex.id}#${subtaskIndex}`;
    const head = this.#built[0]!;
    const turn = this.#turn;
    const times = job.metrics.addTask(this.#vertex, subtaskIndex);
    const { clock, watermarkIntervalMs, isGenerated } = job;
    const { operator } = head.chained;
    if (operator instanceof SourceOperator) {
      const options = { watermarkIntervalMs, clock, turn, times };
      return new SourceTask(id, this.#operators, this.#writers, listener, operator, options);
    }
    return new InputTask(id, this.#operators, this.#writers, listener, {
      channels: this.#network.inputs(head.node, subtaskIndex),
      restoredRecords: this.#inFlight.records(head.node, subtaskIndex),
      output: head.output,
      restoredWatermark: head.restoredWatermark,
      isGenerated,
      turn,
      times,
    });
  }
}
