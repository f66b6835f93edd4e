/**
 * Brings back what was in flight when the restored checkpoint was taken.
 *
 * Role: says what each channel holds from the start, and what a subtask has to read before its channels. Boundary: pure; the
 * task builder makes the channels and fills them.
 *
 * Invariants
 * 1. In a job that is restored as it was, everything is in the channel in which it was: batches, watermarks and idle marks,
 *    behind what the channel had said before.
 * 2. Where the job, or the edge, has changed, every record comes to one subtask: to the one that the edge's partitioning
 *    chooses, which is asked once. A broadcast record comes to each subtask whose copy of the state has not seen it. Watermarks
 *    are left out: upstream tells them again, and until then nothing becomes late.
 * 3. Records of one key on an edge that is partitioned by key keep their order. On forward and rescale edges neighbours stay
 *    neighbours: order is kept where the parallelism is divided by a whole number.
 * 4. No record is left out without leave: edges that are no more are refused.
 */
import { CheckpointError } from '../errors.js';
import type { ChannelEdge, ExecutionPlan, PlanNode } from '../plan/execution-plan.js';
import { splitChains } from '../plan/split-chains.js';
import { decodeState } from '../state/canonical-decoding.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { RecordBatch, StreamElement } from './channel.js';
import { channelSelector } from './channel-selector.js';
import {
  decodeElements,
  edgeKey,
  type ChannelName,
  type EdgeName,
  type InFlightChannel,
} from './in-flight.js';
import { operatorError } from './operator-error.js';
import type { SubtaskState } from './task-snapshot.js';

/** Records that a subtask reads before everything else. */
export interface RestoredRecords {
  readonly name: ChannelName;
  readonly inputIndex: 0 | 1;
  readonly batches: RecordBatch[];
}

export interface InFlightOptions {
  readonly isRescaled: boolean;
  readonly allowNonRestoredState: boolean;
  /** The subtask states of an operator in the restored checkpoint, ascending by subtask; `undefined` on a fresh start. */
  restoredStates(uid: string): readonly Uint8Array[] | undefined;
  /** Whether the operator's keys have become others since the restored checkpoint. */
  hasOtherKeys(node: PlanNode): boolean;
  /** Is told what keeps the job from starting. */
  differs(node: PlanNode, difference: CheckpointError): void;
}

/** What is in flight in the restored checkpoint, for a plan that has a channel wherever records have to wait. */
export function restoreInFlight(
  plan: ExecutionPlan,
  options: InFlightOptions,
): { readonly plan: ExecutionPlan; readonly inFlight: RestoredInFlight } {
  const nodes = plan.vertices.flatMap((vertex) => vertex.nodes);
  const uids = new Map(nodes.map(({ id, uid }) => [id, uid]));
  const states = new Map(
    nodes.map((node) => {
      const subtasks = options.restoredStates(node.uid) ?? [];
      return [node, subtasks.map((bytes) => decodeState(bytes) as SubtaskState)];
    }),
  );
  const split = splitChains(plan, ({ from, outputTag }, target) => {
    const key = edgeKey({ from: uids.get(from)!, outputTag, inputIndex: 0, occurrence: 0 });
    const channels = states.get(target)!.flatMap(({ inFlight = [] }) => inFlight);
    return channels.some((channel) => edgeKey(channel.edge) === key && hasRecords(channel));
  });
  const inFlight = new RestoredInFlight();
  const names = edgeNames(split);
  for (const [node, subtasks] of states) {
    const edges = new Map([...names].filter(([{ to }]) => to === node.id));
    inFlight.add(node, edges, subtasks, options);
  }
  return { plan: split, inFlight };
}

export function hasRecords(channel: InFlightChannel): boolean {
  return recordsOf(channel).length > 0;
}

/** The names of a plan's channel edges. */
export function edgeNames(plan: ExecutionPlan): ReadonlyMap<ChannelEdge, EdgeName> {
  const uids = new Map(plan.vertices.flatMap(({ nodes }) => nodes.map(({ id, uid }) => [id, uid])));
  const seen = new Map<string, number>();
  return new Map(
    plan.channelEdges.map((edge) => {
      const { outputTag, inputIndex } = edge;
      const first: EdgeName = { from: uids.get(edge.from)!, outputTag, inputIndex, occurrence: 0 };
      const key = `${edge.to} ${edgeKey(first)}`;
      const occurrence = seen.get(key) ?? 0;
      seen.set(key, occurrence + 1);
      return [edge, { ...first, occurrence }];
    }),
  );
}

export class RestoredInFlight {
  /** By edge: [upstream subtask][subtask]. */
  readonly #channels = new Map<ChannelEdge, StreamElement[][][]>();
  /** By node: [subtask]. */
  readonly #records = new Map<number, RestoredRecords[][]>();

  /** What the subtasks of `node` had in flight to them, ascending; `edges` lead to it. */
  add(
    node: PlanNode,
    edges: ReadonlyMap<ChannelEdge, EdgeName>,
    subtasks: readonly SubtaskState[],
    options: InFlightOptions,
  ): void {
    const byKey = new Map([...edges].map(([edge, name]) => [edgeKey(name), edge]));
    const isAsItWas =
      !options.isRescaled &&
      !options.hasOtherKeys(node) &&
      subtasks.every(({ maxParallelism }) => maxParallelism === node.maxParallelism);
    for (const [index, { inFlight = [] }] of subtasks.entries()) {
      for (const channel of inFlight) {
        const edge = byKey.get(edgeKey(channel.edge));
        if (edge === undefined) {
          if (hasRecords(channel) && !options.allowNonRestoredState)
            options.differs(node, edgeIsGone(channel, node)); // invariant 4
        } else if (!isAsItWas || edge.partitioning.type !== channel.partitioning) {
          this.#route(channel, { node, edge, from: index, subtasks: subtasks.length });
        } else if (channel.from === undefined) {
          this.#read(node, edge, channel, index).push(...recordsOf(channel));
        } else {
          this.#fill(edge, channel.from, index, elementsOf(channel)); // invariant 1
        }
      }
    }
  }

  /** What the channel from one subtask to another holds from the start. */
  elements(edge: ChannelEdge, from: number, to: number): readonly StreamElement[] {
    return this.#channels.get(edge)?.[from]?.[to] ?? [];
  }

  /** What a subtask of `node` reads first, in this order. */
  records(node: PlanNode, subtaskIndex: number): readonly RestoredRecords[] {
    return this.#records.get(node.id)?.[subtaskIndex] ?? [];
  }

  #fill(edge: ChannelEdge, from: number, to: number, elements: StreamElement[]): void {
    let channels = this.#channels.get(edge);
    if (channels === undefined) this.#channels.set(edge, (channels = []));
    (channels[from] ??= [])[to] = elements;
  }

  #read(node: PlanNode, edge: ChannelEdge, channel: InFlightChannel, to: number): RecordBatch[] {
    let bySubtask = this.#records.get(node.id);
    if (bySubtask === undefined) this.#records.set(node.id, (bySubtask = []));
    const name: ChannelName = {
      edge: channel.edge,
      partitioning: edge.partitioning.type,
      from: undefined,
    };
    const batches: RecordBatch[] = [];
    (bySubtask[to] ??= []).push({ name, inputIndex: edge.inputIndex, batches });
    return batches;
  }

  /** Gives the records of a channel to the subtasks that there are now (invariants 2 and 3). */
  #route(
    channel: InFlightChannel,
    of: {
      readonly node: PlanNode;
      readonly edge: ChannelEdge;
      readonly from: number;
      readonly subtasks: number;
    },
  ): void {
    const { node, edge, from, subtasks } = of;
    const { parallelism, maxParallelism } = node;
    const batches = recordsOf(channel);
    if (batches.length === 0) return;
    switch (edge.partitioning.type) {
      case 'broadcast':
        for (let to = from; to < parallelism; to += subtasks) {
          this.#read(node, edge, channel, to).push(...batches); // as `HeapBroadcastState` takes its copy
        }
        return;
      case 'forward':
      case 'rescale':
        this.#read(node, edge, channel, Math.floor((from * parallelism) / subtasks)).push(...batches);
        return;
    }
    const options = { channelCount: parallelism, subtaskIndex: from, maxParallelism };
    const select = channelSelector(edge.partitioning, options) as (value: unknown) => number;
    const chosen = new Map<number, { values: unknown[]; timestamps: number[] }>();
    for (const { values, timestamps } of batches) {
      for (const [i, value] of values.entries()) {
        let to: number;
        try {
          to = select(value);
        } catch (error) {
          const at = { name: node.name, subtaskIndex: from };
          throw operatorError(
            error,
            at,
            'choosing the subtask of a record that was restored on its way to it',
          );
        }
        let batch = chosen.get(to);
        if (batch === undefined) chosen.set(to, (batch = { values: [], timestamps: [] }));
        batch.values.push(value);
        batch.timestamps.push(timestamps[i]!);
      }
    }
    for (const [to, batch] of chosen) this.#read(node, edge, channel, to).push({ type: 'records', ...batch });
  }
}

function recordsOf(channel: InFlightChannel): RecordBatch[] {
  return decodeElements(channel).filter((element) => element.type === 'records');
}

function elementsOf(channel: InFlightChannel): StreamElement[] {
  const { watermark, isIdle } = channel;
  const elements: StreamElement[] = [];
  if (watermark > MIN_TIMESTAMP) elements.push({ type: 'watermark', timestamp: watermark });
  if (isIdle) elements.push({ type: 'idle', isIdle });
  elements.push(...decodeElements(channel));
  // Upstream begins as active, and says nothing about it.
  const last = elements.findLast((element) => element.type === 'idle');
  if (last?.isIdle === true) elements.push({ type: 'idle', isIdle: false });
  return elements;
}

function edgeIsGone({ edge }: InFlightChannel, node: PlanNode): CheckpointError {
  return new CheckpointError(
    `The checkpoint holds records on their way from the operator with uid '${edge.from}' to '${node.name}' (uid '${node.uid}'), where the program has no such edge any more. ` +
      "Take an aligned checkpoint or a savepoint before changing a program; to leave the records behind, set 'allowNonRestoredState'.",
    { details: { from: edge.from, to: node.uid } },
  );
}
