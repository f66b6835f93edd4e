import type { CoMapFunction } from '../functions/co-functions.js';
import type { OperatorFactory } from './operator.js';

export function coMapOperator(coMap: CoMapFunction<unknown, unknown, unknown>): OperatorFactory {
  return (_context, output) => ({
    processElement: (value, timestamp) => output.collect(coMap.map1(value), timestamp),
    processElement2: (value, timestamp) => output.collect(coMap.map2(value), timestamp),
    processWatermark: (timestamp) => output.emitWatermark(timestamp),
    processIdle: (isIdle) => output.emitIdle(isIdle),
  });
}
