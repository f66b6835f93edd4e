import { describe, expect, it } from 'vitest';
import { CheckpointError, StateSchema } from '../../src/index.js';
import { KeptSchemas, type KeptPart, type KeptVersions } from '../../src/operators/kept-schemas.js';
import { SubtaskStates } from '../../src/state/subtask-states.js';

const two = StateSchema.initial<number>().migrate((n) => n + 1);
const contents = (schema: StateSchema<number> | undefined): KeptPart[] => [{ name: 'contents', schema }];
const sides = (left: StateSchema<number> | undefined): KeptPart[] => [
  { name: 'left', schema: left },
  { name: 'right', schema: undefined },
];
const kept = (parts: KeptPart[], restored: (KeptVersions | undefined)[], states = new SubtaskStates()) =>
  new KeptSchemas('window', parts, { states }, restored);

describe('the schemas of what an operator keeps', () => {
  it('kept schemas invariant 1: migrate what all subtasks have stored in an older version', () => {
    const { versions } = kept(contents(undefined), []);
    expect(versions).toEqual({ contents: 1 });
    const schemas = kept(contents(two), [versions, versions]);
    expect(schemas.isChanged).toBe(true);
    expect(schemas.versions).toEqual({ contents: 2 });
    expect(schemas.migrations().contents(1)).toBe(2);
  });

  it('leave alone what has the version of the program, and what is not there', () => {
    expect(kept(contents(two), [{ contents: 2 }]).isChanged).toBe(false);
    expect(kept(contents(two), []).isChanged).toBe(false);
    const one = kept(sides(two), [{ left: 1, right: 1 }]).migrations();
    expect([one.left(1), one.right(1)]).toEqual([2, 1]);
  });

  it('take what was stored without a version for version 1', () => {
    expect(kept(contents(two), [undefined]).migrations().contents(1)).toBe(2);
  });

  it('are told to the manifest', () => {
    const states = new SubtaskStates();
    kept(sides(two), [], states);
    expect(states.infos).toEqual([
      { name: 'left', kind: 'window', hasTtl: false, version: 2 },
      { name: 'right', kind: 'window', hasTtl: false, version: 1 },
    ]);
  });

  it.each([
    [
      contents(undefined),
      { contents: 2 },
      'What its windows keep has version 2 in the checkpoint, but version 1',
    ],
    [sides(undefined), { left: 3, right: 1 }, 'What its windows keep of the left side has version 3'],
    [contents(StateSchema.startingAt<number>(3)), { contents: 2 }, 'the program reads versions from 3 on'],
    [
      contents(undefined),
      { left: 1, right: 1 },
      'the parts left and right in the checkpoint, but contents in',
    ],
  ])('refuse what they cannot read: %j from %j', (parts, restored, message) => {
    expect(() => kept(parts, [restored])).toThrow(message);
    const states = new SubtaskStates();
    const differences: Error[] = [];
    states.compareWith({ asks: () => undefined, differs: (difference) => void differences.push(difference) });
    kept(parts, [restored], states);
    expect(differences).toMatchObject([{ message: expect.stringContaining(message) }]);
    expect(differences[0]).toBeInstanceOf(CheckpointError);
  });
});
