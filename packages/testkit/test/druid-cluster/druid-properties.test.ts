import { describe, expect, it } from 'vitest';

import { druidPropertiesOf, type ClusterLayout } from '../../src/druid-cluster/druid-properties.js';
import { kafkaPropertiesOf } from '../../src/kafka-broker/kafka-properties.js';
import { liveBrokers, metadataRequest } from '../../src/kafka-broker/kafka-readiness.js';

const layout: ClusterLayout = {
  dataDir: '/data',
  ports: { coordinator: 1, broker: 2, historical: 3, indexer: 4, router: 5, zookeeper: 6, derby: 7 },
  workerCapacity: 8,
  heapMb: 1024,
  extra: {},
};

describe('druidPropertiesOf', () => {
  it('gives each role its port, and binds all of them to the loopback address only (invariant 2)', () => {
    const properties = druidPropertiesOf(layout);
    const ports = Object.values(properties).map((role) => role['druid.plaintextPort']);
    expect(new Set(ports)).toEqual(new Set(['1', '2', '3', '4', '5']));
    for (const role of Object.values(properties)) {
      expect(role['druid.host']).toBe('127.0.0.1');
      expect(role['druid.bindOnHost']).toBe('true');
    }
  });

  it("lets the caller's properties win: for all roles, and more closely for one", () => {
    const { broker, router } = druidPropertiesOf({
      ...layout,
      extra: { all: { 'druid.server.http.numThreads': '3', x: 'all' }, broker: { x: 'broker' } },
    });
    expect(router).toMatchObject({ 'druid.server.http.numThreads': '3', x: 'all' });
    expect(broker).toMatchObject({ 'druid.server.http.numThreads': '3', x: 'broker' });
  });
});

describe('Kafka', () => {
  it('listens on the loopback address only (invariant 2)', () => {
    const properties = kafkaPropertiesOf({ logsDir: '/d', brokerPort: 1, controllerPort: 2, extra: {} });
    expect(properties['listeners']).toBe('PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2');
  });

  it('asks for metadata as the protocol guide says, and counts the brokers in the answer', () => {
    const request = metadataRequest();
    expect(request.readInt32BE(0)).toBe(request.length - 4);
    expect([request.readInt16BE(4), request.readInt16BE(6)]).toEqual([3, 1]);
    expect(liveBrokers(Buffer.from([0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 1]))).toBe(1);
    expect(liveBrokers(Buffer.alloc(4))).toBe(0);
  });
});
