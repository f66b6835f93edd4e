import { describe, expectTypeOf, it } from 'vitest';
import { DruidSink, type DruidRoutes, type DruidSchema, type KafkaModeOptions } from '../../src/index.js';
import { kafkaTransport, type KafkaTransportOptions } from '../../src/kafka/index.js';

interface Click {
  readonly at: number;
}

declare const schema: DruidSchema<Click>;
declare const routes: DruidRoutes<Click>;
declare const options: KafkaTransportOptions;

describe('types of mode kafka', () => {
  it('it takes records of its schema, a transport, and no spool directory', () => {
    const make = () => {
      const druid = { url: 'http://localhost:8888' };
      const transport = kafkaTransport(options);
      expectTypeOf(new DruidSink({ mode: 'kafka', druid, schema, transport })).toExtend<DruidSink<Click>>();
      const deadLetters = { dataSource: 'rejected' };
      expectTypeOf(new DruidSink({ mode: 'kafka', druid, schema: routes, transport, deadLetters })).toExtend<
        DruidSink<Click>
      >();
      // @ts-expect-error -- rows go to a topic
      new DruidSink<Click>({ mode: 'kafka', druid, schema });
      // @ts-expect-error -- nothing is spooled
      new DruidSink<Click>({ mode: 'kafka', druid, schema, transport, spoolDirectory: 'spool' });
      // @ts-expect-error -- that is for appending
      new DruidSink<Click>({ druid, schema, transport });
    };
    expectTypeOf(make).toBeFunction();
    expectTypeOf<KafkaModeOptions<Click>['waitUntil']>().toEqualTypeOf<
      'submitted' | 'published' | 'queryable' | undefined
    >();
  });
});
