import type { SinkWriteContext, SinkWriter } from '../connectors/sink.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';

/** A sink's writer at the end of a chain. The task drives its waiting parts: `backPressure`, `flush`, `prepareCommit`. */
export class SinkOperator implements StreamOperator, SinkWriteContext {
  readonly writer: SinkWriter<unknown>;
  readonly #output: Output;
  #timestamp = MIN_TIMESTAMP;
  currentWatermark = MIN_TIMESTAMP;

  constructor(writer: SinkWriter<unknown>, output: Output) {
    this.writer = writer;
    this.#output = output;
  }

  get timestamp(): number | undefined {
    return this.#timestamp === MIN_TIMESTAMP ? undefined : this.#timestamp;
  }

  processElement(value: unknown, timestamp: number): void {
    this.#timestamp = timestamp;
    this.writer.write(value, this);
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.#output.emitWatermark(timestamp); // nobody is behind a sink: it is noted there, as every operator's
  }

  processIdle(): void {
    // Idleness is about event time, which ends here.
  }

  close(): void | Promise<void> {
    return this.writer.close();
  }
}
