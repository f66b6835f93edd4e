import type { Describer } from '../runtime/describe-value.js';
import type { Logger } from '../runtime/logger.js';
import type { SinkFunction } from './classic.js';
import type { Sink, SinkWriteContext, SinkWriter, SinkWriterContext } from './sink.js';

/** Adapts a `SinkFunction` to a sink without a committer. */
export class ClassicSink<T> implements Sink<T> {
  readonly #function: SinkFunction<T>;

  constructor(sinkFunction: SinkFunction<T>) {
    this.#function = sinkFunction;
  }

  async createWriter(context: SinkWriterContext): Promise<SinkWriter<T>> {
    const { subtaskIndex, parallelism, clock, describer, logger, metrics, signal } = context;
    try {
      await this.#function.open?.({ subtaskIndex, parallelism, clock, logger, metrics, signal });
    } catch (error) {
      await this.#closeAfterFailure(logger, describer);
      throw error;
    }
    return new ClassicWriter(this.#function);
  }

  /** `open` may have got half-way: `close` is called here, because no writer will. */
  async #closeAfterFailure(logger: Logger, describer: Describer): Promise<void> {
    try {
      await this.#function.close?.();
    } catch (error) {
      logger.warn('closing failed', { error: describer.describeError(error) });
    }
  }
}

class ClassicWriter<T> implements SinkWriter<T> {
  readonly #function: SinkFunction<T>;
  #pending: Promise<void>[] = [];

  constructor(sinkFunction: SinkFunction<T>) {
    this.#function = sinkFunction;
  }

  write(value: T, context: SinkWriteContext): void {
    const emitted = this.#function.emit(value, context);
    if (emitted === undefined) return;
    // Its rejection is reported by `backPressure` or `flush`; until then it must not count as unhandled.
    emitted.catch(() => undefined);
    this.#pending.push(emitted);
  }

  backPressure(): Promise<void> | undefined {
    return this.#pending.length === 0 ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
  }

  close(): void | Promise<void> {
    return this.#function.close?.();
  }
}
