import type { MapFunction } from '../functions/functions.js';
import type { OperatorFactory } from './operator.js';

export function mapOperator(map: MapFunction<unknown, unknown>): OperatorFactory {
  return (_context, output) => ({
    fused: { kind: 'map', apply: map },
    processElement: (value, timestamp) => output.collect(map(value), timestamp),
    processWatermark: (timestamp) => output.emitWatermark(timestamp),
    processIdle: (isIdle) => output.emitIdle(isIdle),
  });
}
