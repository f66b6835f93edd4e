/** Subtasks that have asked for a state, and others that have not: it is stored in two versions. */
import { expect, it } from 'vitest';
import { StateSchema, ValueStateDescriptor } from '../../src/index.js';
import { newState, stored, type StoredState } from '../support/stored-state.js';

const second = StateSchema.initial<number>().migrate((n) => `${n}`);
const third = second.migrate((text) => [text]);

function put(key: string, descriptor: ValueStateDescriptor<unknown>, value: unknown): StoredState {
  const state = newState();
  const handle = state.getState(descriptor);
  state.setCurrentKey(key);
  handle.update(value);
  return stored(state);
}

it('a state that subtasks have in several versions is told in all of them, until it is asked for', () => {
  const old = put('a', new ValueStateDescriptor<unknown>('s'), 1);
  const newer = put('b', new ValueStateDescriptor<unknown>('s', { schema: second }), '2');
  const info = { name: 's', kind: 'value', hasTtl: false };
  const both = [
    { ...info, version: 1 },
    { ...info, version: 2 },
  ];
  const unasked = newState({ restored: [old, newer] });
  expect(stored(unasked).infos).toEqual(both);
  const again = newState({ restored: [stored(unasked)] });
  expect(() => again.getState(new ValueStateDescriptor('s'))).toThrow(
    "State 's' has version 2 in the checkpoint",
  );
  const state = newState({ restored: [old, newer] });
  const handle = state.getState(new ValueStateDescriptor('s', { schema: third }));
  expect(
    ['a', 'b'].map((key) => {
      state.setCurrentKey(key);
      return handle.value();
    }),
  ).toEqual([['1'], ['2']]);
  expect(stored(state).infos).toEqual([{ ...info, version: 3 }]);
});
