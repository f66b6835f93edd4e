/** A subtask, as far as it matters for what it gets of the state of all. */
export interface SubtaskPlace {
  readonly subtaskIndex: number;
  readonly parallelism: number;
}

/**
 * What a subtask gets of the lists that all subtasks have stored, ascending: at the same parallelism its own, at another
 * one the elements of all lists in turn.
 */
export function shareOf<T>(
  bySubtask: readonly (readonly T[])[],
  { subtaskIndex, parallelism }: SubtaskPlace,
): readonly T[] {
  return bySubtask.length === parallelism
    ? bySubtask[subtaskIndex]!
    : bySubtask.flat().filter((_, index) => index % parallelism === subtaskIndex);
}
