import type { CoProcessFunction, CoProcessFunctionFactory } from '../functions/co-functions.js';
import { FunctionContext } from './function-context.js';
import type { OperatorFactory } from './operator.js';
import { withOperatorState } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

export function coProcessOperator(
  create: CoProcessFunctionFactory<unknown, unknown, unknown>,
): OperatorFactory {
  return withOperatorState((context, output) => {
    const seen = new FunctionContext(context, output);
    const { collector } = seen;
    const coProcess: CoProcessFunction<unknown, unknown, unknown> = create(context);
    return {
      open: () => coProcess.open?.(context),
      processElement(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(coProcess.processElement1(value, seen, collector));
      },
      processElement2(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(coProcess.processElement2(value, seen, collector));
      },
      processWatermark(timestamp) {
        seen.currentWatermark = timestamp;
        output.emitWatermark(timestamp);
      },
      processIdle: (isIdle) => output.emitIdle(isIdle),
      snapshotState(checkpointId) {
        coProcess.snapshotState?.(checkpointId); // what it returns by accident is not state
      },
      close: () => coProcess.close?.(),
    };
  });
}
