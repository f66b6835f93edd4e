import { describe, expectTypeOf, it } from 'vitest';
import { StreamExecutionEnvironment, type EnvironmentOptions, type RuntimeMode } from '../../src/index.js';

const env = StreamExecutionEnvironment.getExecutionEnvironment({ runtimeMode: 'automatic' });
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

describe('the types of batch mode', () => {
  it('know the three modes', () => {
    expectTypeOf<RuntimeMode>().toEqualTypeOf<'streaming' | 'batch' | 'automatic'>();
    expectTypeOf<EnvironmentOptions['runtimeMode']>().toEqualTypeOf<RuntimeMode | undefined>();
    expectTypeOf(env.setRuntimeMode('batch')).toEqualTypeOf<StreamExecutionEnvironment>();
    expectTypeOf<ReturnType<typeof env.getExecutionPlan>['runtimeMode']>().toEqualTypeOf<
      'streaming' | 'batch'
    >();
    // @ts-expect-error there is no such mode
    never(() => env.setRuntimeMode('bulk'));
  });
});
