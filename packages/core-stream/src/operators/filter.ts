import type { FilterFunction } from '../functions/functions.js';
import type { OperatorFactory } from './operator.js';

export function filterOperator(filter: FilterFunction<unknown>): OperatorFactory {
  return (_context, output) => ({
    fused: { kind: 'filter', apply: filter },
    processElement(value, timestamp) {
      if (filter(value)) output.collect(value, timestamp);
    },
    processWatermark: (timestamp) => output.emitWatermark(timestamp),
    processIdle: (isIdle) => output.emitIdle(isIdle),
  });
}
