import { AsyncDataStream, StreamExecutionEnvironment } from '../../src/index.js';
import type { AsyncFunction, AsyncFunctionFactory, AsyncWaitOptions } from '../../src/index.js';
import type { OperatorContext, OperatorState, StreamOperator } from '../../src/operators/operator.js';
import { plainDescriber } from '../../src/runtime/describe-value.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { SubtaskRows } from '../../src/state/subtask-rows.js';
import { ManualClock, TestMetrics } from '../../src/testing/index.js';
import { turn } from './conditions.js';

/** One attempt at a record, which the test settles. */
export interface RemoteCall {
  readonly value: number;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly resolve: (results: readonly string[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What lies outside of the job: answers when the test says so. */
export class RemoteService implements AsyncFunction<number, string> {
  /** Attempts that are not settled. */
  readonly unsettled: RemoteCall[] = [];
  /** Every attempt, by its record. */
  readonly asked: number[] = [];
  /** How many were unsettled at once and had not been given up. */
  mostUnsettled = 0;

  asyncInvoke: AsyncFunction<number, string>['asyncInvoke'] = (value, { attempt, signal }) =>
    new Promise((resolve, reject) => {
      const settled = (): void => void this.unsettled.splice(this.unsettled.indexOf(call), 1);
      const call: RemoteCall = {
        value,
        attempt,
        signal,
        resolve: (results) => {
          settled();
          resolve(results);
        },
        reject: (error) => {
          settled();
          reject(error as Error);
        },
      };
      this.asked.push(value);
      this.unsettled.push(call);
      const isWanted = (other: RemoteCall) => !other.signal.aborted;
      this.mostUnsettled = Math.max(this.mostUnsettled, this.unsettled.filter(isWanted).length);
    });

  /** Answers the unsettled attempt at `value`. */
  answer(value: number, results: readonly string[] = [`r${value}`]): void {
    this.call(value).resolve(results);
  }

  call(value: number): RemoteCall {
    const call = this.unsettled.find((other) => other.value === value);
    if (call === undefined) throw new Error(`no attempt at ${value} is unsettled`);
    return call;
  }
}

export type Element = string | { readonly watermark: number } | { readonly isIdle: boolean };

export interface AsyncSubtaskOptions extends AsyncWaitOptions<string> {
  readonly isOrdered: boolean;
  readonly clock?: ManualClock;
  readonly restored?: readonly OperatorState[];
  readonly subtaskIndex?: number;
  readonly parallelism?: number;
}

/** One subtask of the operator, whose turns are the test's. Results come out as `value@timestamp`. */
export class AsyncSubtask {
  readonly operator: StreamOperator;
  readonly clock: ManualClock;
  readonly elements: Element[] = [];
  readonly #mail: (() => void)[] = [];
  readonly #abort = new AbortController();
  mailRead = 0;

  constructor(
    asyncFunction: AsyncFunction<number, string> | AsyncFunctionFactory<number, string>,
    { isOrdered, clock = new ManualClock(), restored, ...options }: AsyncSubtaskOptions,
  ) {
    this.clock = clock;
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    const wait = isOrdered ? AsyncDataStream.orderedWait : AsyncDataStream.unorderedWait;
    const { graph } = wait(env.fromCollection([1]), asyncFunction, options).scope;
    const { spec } = graph.nodes.at(-1)!;
    if (spec.kind !== 'operator') throw new TypeError('not an operator');
    const post = (callback: () => void) => void this.#mail.push(callback);
    const context: OperatorContext = {
      operatorName: 'Enrich',
      operatorUid: 'enrich',
      subtaskIndex: options.subtaskIndex ?? 0,
      parallelism: options.parallelism ?? 1,
      maxParallelism: 128,
      keyGroups: { start: 0, end: 128 },
      clock,
      logger: silentLogger,
      metrics: new TestMetrics(clock).group,
      describer: plainDescriber,
      signal: this.#abort.signal,
      watermarkIntervalMs: 200,
      isBatch: false,
      isRescaled: false,
      ...new SubtaskRows({ isEnabled: false, maxParallelism: 128, restored: undefined }).access,
      restored: restored?.map((state) => decodeState(encodeState(state))),
      post,
      schedule: (delayMs, callback) => {
        let isCancelled = false;
        const cancel = clock.schedule(delayMs, () => post(() => void (isCancelled || callback())));
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
    this.operator = spec.factory(context, {
      collect: (value, timestamp) => this.elements.push(`${String(value)}@${timestamp}`),
      sideOutput: () => undefined,
      emitWatermark: (watermark) => this.elements.push({ watermark }),
      emitIdle: (isIdle) => this.elements.push({ isIdle }),
    });
  }

  /** Records `values`, each with itself as its timestamp. */
  batch(...values: readonly number[]): void {
    for (const value of values) this.operator.processElement(value, value);
  }

  /** Lets promises be settled, then reads the mail. */
  async turn(): Promise<void> {
    await turn();
    let mail: (() => void) | undefined;
    while ((mail = this.#mail.shift()) !== undefined) {
      this.mailRead++;
      mail();
    }
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.turn();
  }

  async close(reason: unknown = new Error('the job has ended')): Promise<void> {
    this.#mail.length = 0;
    this.#abort.abort(reason);
    await this.operator.close?.();
  }
}
