import type { CoFlatMapFunction } from '../functions/co-functions.js';
import type { OperatorFactory } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';
import { synchronous } from './synchronous.js';

export function coFlatMapOperator(coFlatMap: CoFlatMapFunction<unknown, unknown, unknown>): OperatorFactory {
  return (_context, output) => {
    const collector = new TimestampedCollector(output);
    return {
      processElement(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(coFlatMap.flatMap1(value, collector));
      },
      processElement2(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(coFlatMap.flatMap2(value, collector));
      },
      processWatermark: (timestamp) => output.emitWatermark(timestamp),
      processIdle: (isIdle) => output.emitIdle(isIdle),
    };
  };
}
