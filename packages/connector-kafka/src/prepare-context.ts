/** What `prepare` of serializers and deserializers is given. */
export interface PrepareContext {
  readonly subtaskIndex: number;
  readonly parallelism: number;
  /** Aborted when the job ends. */
  readonly signal: AbortSignal;
}
