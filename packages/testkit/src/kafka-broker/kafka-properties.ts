import { SECURE_LISTENER } from './kafka-security.js';

export interface BrokerLayout {
  /** Of the topics' data. */
  readonly logsDir: string;
  readonly brokerPort: number;
  readonly controllerPort: number;
  /** Of the listener with TLS and SASL. */
  readonly securePort?: number;
  readonly extra: Readonly<Record<string, string>>;
}

const HOST = '127.0.0.1';

const clientListeners = ({ brokerPort, securePort }: BrokerLayout): string => {
  const plain = `PLAINTEXT://${HOST}:${brokerPort}`;
  return securePort === undefined ? plain : `${plain},${SECURE_LISTENER}://${HOST}:${securePort}`;
};

/** Every property of the node. Pure, so that it can be read and tested without starting one. */
export const kafkaPropertiesOf = (layout: BrokerLayout): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.quorum.voters': `1@${HOST}:${layout.controllerPort}`,
  listeners: `${clientListeners(layout)},CONTROLLER://${HOST}:${layout.controllerPort}`,
  'advertised.listeners': clientListeners(layout),
  'controller.listener.names': 'CONTROLLER',
  'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,${SECURE_LISTENER}:${SECURE_LISTENER}`,
  'log.dirs': layout.logsDir,
  // One node: one copy of everything, and few partitions of Kafka's own topics to create at first use.
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  // After a crash the controller lets the node in again when its last session is over: after 9 s unless told otherwise.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  // Test data is old, or lies in the future: nothing expires or is refused by its timestamp.
  'log.retention.ms': '-1',
  'log.message.timestamp.after.max.ms': '9223372036854775807',
  ...layout.extra,
});
