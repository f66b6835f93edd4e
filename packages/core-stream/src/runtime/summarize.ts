import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { ExecutionPlan } from '../plan/execution-plan.js';
import type { OperatorResult } from './job-result.js';
import type { Task, TaskOperator } from './task.js';

/** Sums the metrics of all subtasks, operator by operator, in the order of the plan. */
export function summarize(plan: ExecutionPlan, tasks: readonly Task[]): OperatorResult[] {
  const byUid = new Map<string, TaskOperator[]>();
  for (const chained of tasks.flatMap((task) => task.chained)) {
    byUid.set(chained.uid, [...(byUid.get(chained.uid) ?? []), chained]);
  }
  return plan.vertices.flatMap((vertex) =>
    vertex.nodes.map((node) => {
      const subtasks = byUid.get(node.uid) ?? [];
      const sum = (read: (subtask: TaskOperator) => number) =>
        subtasks.reduce((total, subtask) => total + read(subtask), 0);
      const sideOutputs: Record<string, number> = {};
      for (const { metrics } of subtasks) {
        for (const [tag, count] of metrics.recordsOfSideOutputs)
          sideOutputs[tag] = (sideOutputs[tag] ?? 0) + count;
      }
      return {
        uid: node.uid,
        name: node.name,
        parallelism: node.parallelism,
        recordsIn: sum((subtask) => subtask.metrics.recordsIn),
        recordsOut: sum((subtask) => subtask.metrics.recordsOut),
        sideOutputs,
        lateRecordsDropped: sum(
          (subtask) => subtask.metrics.lateRecordsDropped + (subtask.operator.lateRecordsDropped ?? 0),
        ),
        watermark:
          subtasks.length === 0
            ? MIN_TIMESTAMP
            : Math.min(...subtasks.map((subtask) => subtask.metrics.watermark)),
      };
    }),
  );
}
