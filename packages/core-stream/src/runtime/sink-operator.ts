import type { SinkWriteContext, SinkWriter } from '../connectors/sink.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';

/**
 * A sink's writer at the end of a chain. The task drives its waiting parts: `createWriter`, `backPressure`, `flush`,
 * `prepareCommit`.
 */
export class SinkOperator implements StreamOperator, SinkWriteContext {
  readonly #create: () => Promise<SinkWriter<unknown>>;
  readonly #output: Output;
  #writer: SinkWriter<unknown> | undefined;
  #timestamp = MIN_TIMESTAMP;
  currentWatermark = MIN_TIMESTAMP;

  constructor(create: () => Promise<SinkWriter<unknown>>, output: Output) {
    this.#create = create;
    this.#output = output;
  }

  /** Called once, before `start`. */
  async createWriter(): Promise<void> {
    this.#writer = await this.#create();
  }

  /** There from `createWriter` on. */
  get writer(): SinkWriter<unknown> {
    return this.#writer!;
  }

  get timestamp(): number | undefined {
    return this.#timestamp === MIN_TIMESTAMP ? undefined : this.#timestamp;
  }

  processElement(value: unknown, timestamp: number): void {
    this.#timestamp = timestamp;
    this.#writer!.write(value, this);
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.#writer!.writeWatermark?.(timestamp);
    this.#output.emitWatermark(timestamp); // nobody is behind a sink: it is noted there, as every operator's
  }

  processIdle(): void {
    // Idleness is about event time, which ends here.
  }

  close(): void | Promise<void> {
    return this.#writer?.close();
  }
}
