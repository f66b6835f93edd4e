import { describe, expect, it } from 'vitest';

import { flavourOf } from '../../src/druid-cluster/druid-flavour.js';
import {
  druidPropertiesOf,
  extraHistoricalProperties,
  type ClusterLayout,
} from '../../src/druid-cluster/druid-properties.js';
import { kafkaPropertiesOf } from '../../src/kafka-broker/kafka-properties.js';
import { liveBrokers, metadataRequest } from '../../src/kafka-broker/kafka-readiness.js';

const layout: ClusterLayout = {
  flavour: flavourOf({}),
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

  it('says nothing of security or multi-stage queries where they are off', () => {
    for (const flavour of [flavourOf({}), flavourOf({ version: '27.0.0', multiStageQuery: false })]) {
      const properties = druidPropertiesOf({ ...layout, flavour });
      const names = Object.values(properties).flatMap((role) => Object.keys(role));
      expect(names.filter((name) => /^druid\.(auth|escalator|msq)\b/.test(name))).toEqual([]);
    }
  });

  it('puts a password before every role, in a form that Druid takes for nothing else', () => {
    const flavour = flavourOf({ version: '27.0.0', basicSecurity: { adminPassword: '0${1}' } });
    const properties = druidPropertiesOf({ ...layout, flavour });
    for (const role of Object.values(properties)) {
      expect(role).toMatchObject({
        'druid.auth.authenticatorChain': '["Basic"]',
        'druid.auth.authenticator.Basic.initialAdminPassword': String.raw`{"type":"default","password":"0\u0024{1}"}`,
        'druid.auth.authorizers': '["Authz"]',
        'druid.escalator.type': 'basic',
      });
    }
    // They ask the Coordinator for the users as they start.
    expect(properties.broker['millrace.after']).toBe('coordinator');
    expect(properties.router['millrace.after']).toBe('coordinator');
    expect(properties.coordinator['millrace.after']).toBeUndefined();
  });

  it('gives 27.0.0 the NULLs that later versions have, and a place for large results', () => {
    const { broker } = druidPropertiesOf({ ...layout, flavour: flavourOf({ version: '27.0.0' }) });
    expect(broker).toMatchObject({
      'druid.generic.useDefaultValueForNull': 'false',
      'druid.msq.intermediate.storage.basePath': '/data/intermediate',
    });
    expect(druidPropertiesOf(layout).broker).not.toHaveProperty('druid.generic.useDefaultValueForNull');
  });
});

describe('extraHistoricalProperties', () => {
  const place = { port: 77, folder: '/data/historical-1', tier: 'hot', extra: {} };

  it('are those of the cluster’s Historical, with an address, segments and a tier of its own', () => {
    const extra = { all: { x: 'all' }, historical: { 'druid.segmentCache.locations': '/data/elsewhere' } };
    const properties = extraHistoricalProperties({ ...layout, extra }, place);
    expect(properties).toMatchObject({
      x: 'all',
      'millrace.command': 'org.apache.druid.cli.CliHistorical',
      'druid.host': '127.0.0.1',
      'druid.plaintextPort': '77',
      'druid.segmentCache.locations': '[{"path":"/data/historical-1/segment-cache","maxSize":"50g"}]',
      'druid.server.tier': 'hot',
      'druid.storage.storageDirectory': '/data/segments',
      'druid.zk.service.host': '127.0.0.1:6',
    });
  });

  it('wait for no role, as there is none in its process; its own properties win', () => {
    const flavour = flavourOf({ version: '27.0.0', basicSecurity: true });
    const extra = { 'druid.server.tier': 'cold' };
    const properties = extraHistoricalProperties({ ...layout, flavour }, { ...place, extra });
    expect(properties).not.toHaveProperty('millrace.after');
    expect(properties).toMatchObject({ 'druid.server.tier': 'cold', 'druid.escalator.type': 'basic' });
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
