import { describe, expect, it } from 'vitest';
import { CheckpointError, OperatorError, type OperatorCheckpoint } from '../../src/index.js';
import type { PlanNode } from '../../src/plan/execution-plan.js';
import { StartComparison } from '../../src/runtime/start-comparison.js';
import { checkpointOf } from '../support/checkpoints.js';
import { failureOf } from '../support/conditions.js';

const node = (uid: string): PlanNode => ({
  id: 1,
  uid,
  name: uid.toUpperCase(),
  parallelism: 1,
  maxParallelism: 128,
  spec: { kind: 'operator', type: 'Map', factory: () => ({}) as never },
});

const keyed = { kind: 'value', hasTtl: false } as const;

/** Of a checkpoint whose operator `count` has `states`, or of a fresh start. */
function comparison(states: OperatorCheckpoint['states'] | undefined, differences: readonly string[] = []) {
  const log: unknown[] = [];
  const write = (message: string, fields?: object) => void log.push([message, fields]);
  const logger = { debug: write, info: write, warn: write, error: write };
  const [operator] = checkpointOf(3).operators;
  const checkpoint = states && {
    ...checkpointOf(3),
    operators: [{ ...operator!, states, keyVersion: 2, segments: [] }],
  };
  const start = new StartComparison({
    checkpoint,
    location: 'here',
    differences: differences.map((message) => ({ uid: 'x', error: new CheckpointError(message) })),
    logger,
  });
  return { start, log };
}

describe('the comparison of a program with what it goes on from', () => {
  it('logs what is new, what is migrated, and what nobody has asked for', async () => {
    const { start, log } = comparison([
      { ...keyed, name: 'same', version: 1 },
      { ...keyed, name: 'older', version: 1 },
      { ...keyed, name: 'unasked', version: 1 },
      { ...keyed, name: 'both', kind: 'union-list', version: 1 },
    ]);
    await start.compare(async () => {
      const count = start.of(node('count'))!;
      count.asks({ ...keyed, name: 'same', version: 1 });
      start.of(node('count'))!.asks({ ...keyed, name: 'older', version: 3 }); // another subtask
      count.asks({ ...keyed, name: 'both', version: 1 }); // keyed state has its names apart
      start.of(node('added'))!.asks({ ...keyed, name: 'any', version: 1 });
      start.of(node('stateless'));
    });
    const operator = { operator: 'COUNT', uid: 'count' };
    expect(log).toEqual([
      ['state is migrated', { ...operator, state: 'older', kind: 'value', from: 1, to: 3 }],
      ['no function has asked for a state yet: it is kept', { ...operator, state: 'unasked', kind: 'value' }],
      [
        'no function has asked for a state yet: it is kept',
        { ...operator, state: 'both', kind: 'union-list' },
      ],
      ['state is new', { ...operator, state: 'both', kind: 'value' }],
      ['the checkpoint has nothing of an operator: it begins afresh', { operator: 'ADDED', uid: 'added' }],
    ]);
  });

  it('invariant 1: tells every difference once, however many subtasks find it', async () => {
    const { start, log } = comparison([], ['the plan differs']);
    const error = await failureOf(
      start.compare(async () => {
        start.of(node('count'))!.differs(new CheckpointError('this differs'));
        start.of(node('count'))!.differs(new CheckpointError('this differs'));
        start.of(node('other'))!.differs(new CheckpointError('this differs'));
      }),
    );
    expect(error).toMatchObject({ retryable: false, details: { checkpointId: 3, differences: 3 } });
    expect(error.message).toBe(
      'The program does not fit checkpoint 3 in here (3 differences):\n' +
        '  - the plan differs\n' +
        "  - 'COUNT' (uid 'count'): this differs\n" +
        "  - 'OTHER' (uid 'other'): this differs\n" +
        'The job was not started, and what is stored is as it was.',
    );
    expect(log).toEqual([]);
  });

  it('invariant 1: tells them also where opening has failed besides', async () => {
    const { start } = comparison([]);
    const cause = new Error('no list');
    const error = await failureOf(
      start.compare(() => {
        start.of(node('count'))!.differs(new CheckpointError('this differs'));
        return Promise.reject(cause);
      }),
    );
    expect(error.message).toContain('this differs');
    expect(error.cause).toBe(cause);
  });

  it('takes an error of restoring for a difference where trying again is of no use', () => {
    const { start } = comparison([]);
    expect(start.notes(node('count'), new CheckpointError('windows'))).toBe(true);
    expect(start.notes(node('count'), new OperatorError('failed', { cause: new CheckpointError('x') }))).toBe(
      true,
    );
    expect(start.notes(node('count'), new CheckpointError('disk is full', { retryable: true }))).toBe(false);
    expect(start.notes(node('count'), new Error('a bug'))).toBe(false);
  });

  it('is none where the job begins afresh', async () => {
    const { start, log } = comparison(undefined);
    expect(start.of(node('count'))).toBeUndefined();
    expect(start.notes(node('count'), new CheckpointError('x'))).toBe(false);
    expect(await start.compare(() => Promise.resolve(1))).toBe(1);
    expect(log).toEqual([]);
  });
});
