import { describe, expect, it } from 'vitest';
import { KafkaBroker } from '../../src/index.js';
import { kafkaPropertiesOf } from '../../src/kafka-broker/kafka-properties.js';

describe('the users of a broker', () => {
  it.each([{ 'a b': 'x' }, { a: '' }, { a: 'x"y' }, { a: 'x,y' }])(
    'are refused where they need quotes: %j',
    async (users) => {
      await expect(KafkaBroker.start({ users })).rejects.toMatchObject({ code: 'invalid-options' });
    },
  );

  it('come in by a listener of their own; without them there is none', () => {
    const layout = { logsDir: 'topics', brokerPort: 1, controllerPort: 2, extra: {} };
    expect(kafkaPropertiesOf(layout)['advertised.listeners']).toBe('PLAINTEXT://127.0.0.1:1');
    expect(kafkaPropertiesOf({ ...layout, securePort: 3 })).toMatchObject({
      listeners: 'PLAINTEXT://127.0.0.1:1,SASL_SSL://127.0.0.1:3,CONTROLLER://127.0.0.1:2',
      'advertised.listeners': 'PLAINTEXT://127.0.0.1:1,SASL_SSL://127.0.0.1:3',
    });
  });
});
