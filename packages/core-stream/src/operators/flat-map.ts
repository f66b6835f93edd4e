import type { FlatMapFunction } from '../functions/functions.js';
import type { OperatorFactory } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';
import { synchronous } from './synchronous.js';

export function flatMapOperator(flatMap: FlatMapFunction<unknown, unknown>): OperatorFactory {
  return (_context, output) => {
    const collector = new TimestampedCollector(output);
    return {
      processElement(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(flatMap(value, collector));
      },
      processWatermark: (timestamp) => output.emitWatermark(timestamp),
      processIdle: (isIdle) => output.emitIdle(isIdle),
    };
  };
}
