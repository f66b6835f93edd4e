import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  fieldsFirst,
  silentLogger,
  type FieldsFirstLogger,
  type LogFields,
  type Logger,
} from '../../src/runtime/logger.js';
import { scopedLogger } from '../../src/runtime/logger.js';

/** As pino declares its methods. */
interface PinoLogFn {
  <T, TMsg extends string = string>(obj: T, msg?: T extends string ? never : TMsg, ...args: unknown[]): void;
  (_: unknown, msg: string, ...args: unknown[]): void;
}
type Pino = Readonly<Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', PinoLogFn>>;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

describe('a logger', () => {
  it('is console, or pino with its fields first', () => {
    expectTypeOf<Console>().toExtend<Logger>();
    expectTypeOf<Pino>().toExtend<FieldsFirstLogger>();
    const lines: unknown[] = [];
    const write = (fields: LogFields, message: string) => void lines.push([fields, message]);
    const logger = fieldsFirst({ debug: write, info: write, warn: write, error: write });
    for (const level of LEVELS) logger[level](`a ${level}`, { level });
    logger.info('no fields');
    expect(lines).toEqual([...LEVELS.map((level) => [{ level }, `a ${level}`]), [{}, 'no fields']]);
  });

  it('tells its scope with everything, and what is told goes before', () => {
    const lines: unknown[] = [];
    const write = (message: string, fields?: LogFields) => void lines.push([message, fields]);
    const job = scopedLogger({ debug: write, info: write, warn: write, error: write }, { job: 'orders' });
    const operator = scopedLogger(job, { operator: 'Count', subtask: 1 });
    for (const level of LEVELS) operator[level](level, { key: 5 });
    operator.info('elsewhere', { subtask: 2 });
    job.info('no fields');
    const scope = { job: 'orders', operator: 'Count', subtask: 1 };
    expect(lines).toEqual([
      ...LEVELS.map((level) => [level, { ...scope, key: 5 }]),
      ['elsewhere', { ...scope, subtask: 2 }],
      ['no fields', { job: 'orders' }],
    ]);
    expect(scopedLogger(silentLogger, scope)).toBe(silentLogger);
  });
});
