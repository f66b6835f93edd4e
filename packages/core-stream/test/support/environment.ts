import { afterEach, beforeEach, expect } from 'vitest';
import {
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type EnvironmentOptions,
  type Logger,
} from '../../src/index.js';
import { quiet } from './conditions.js';
import { ManualClock } from './manual-clock.js';

export const none = WatermarkStrategy.noWatermarks<number>();
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
/** A script of the numbers from 0, without timestamps. */
export const scripted = (count: number): { value: number }[] => numbers(count).map((value) => ({ value }));

/** An environment under a clock that the test moves; `print()` goes nowhere. */
export function environment(options: EnvironmentOptions = {}): {
  clock: ManualClock;
  env: StreamExecutionEnvironment;
} {
  const clock = new ManualClock();
  const printTarget = { write: () => true };
  return {
    clock,
    env: StreamExecutionEnvironment.getExecutionEnvironment({ clock, printTarget, ...options }),
  };
}

export function boom(): never {
  throw new Error('boom');
}

export function recordingLogger(log: string[]): Logger {
  const write = (message: string) => void log.push(message);
  return { debug: write, info: write, warn: write, error: write };
}

/** Fails every test of the file that leaves a rejection behind which nobody handles. */
export function refuseUnhandledRejections(): void {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => void unhandled.push(error);
  beforeEach(() => {
    unhandled.length = 0;
    process.on('unhandledRejection', onUnhandled);
  });
  afterEach(async () => {
    await quiet(3);
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });
}
