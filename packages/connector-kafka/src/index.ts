export { KafkaSource } from './source/kafka-source.js';
export type { KafkaSourceOptions } from './source/kafka-source.js';
export { jsonDeserializer, rawDeserializer, textDeserializer } from './source/kafka-deserializers.js';
export type { DeserializeRecord, KafkaDeserializer, KafkaRecord } from './source/kafka-deserializers.js';
export type { KafkaEnumeratorState } from './source/kafka-enumerator.js';
export type { KafkaSplit } from './source/kafka-split.js';
export type { OffsetsByPartition, StartingOffsets, StoppingOffsets } from './source/offsets.js';
export type { InvalidKafkaRecord, OnInvalidRecord, RejectedKafkaRecord } from './source/record-decoder.js';
export { KafkaSink } from './sink/kafka-sink.js';
export type { DeliveryGuarantee, KafkaSinkOptions } from './sink/kafka-sink.js';
export { jsonSerializer, rawSerializer } from './sink/kafka-serializers.js';
export type {
  KafkaOutput,
  KafkaOutputHeaders,
  KafkaSerializer,
  SerializeRecord,
  SerializerOptions,
} from './sink/kafka-serializers.js';
export type { PrepareContext } from './prepare-context.js';
export type { KafkaCommittable } from './sink/producer-session.js';
export { ensureKafkaTopic } from './topic/ensure-kafka-topic.js';
export type { EnsureKafkaTopicOptions } from './topic/ensure-kafka-topic.js';
export type { KafkaCompression } from './protocol/compression.js';
export type { KafkaConnectionOptions } from './protocol/connection-options.js';
export type { KafkaHeader } from './protocol/record-batch.js';
export {
  KafkaConfigError,
  KafkaConnectionError,
  KafkaError,
  KafkaFencedError,
  KafkaOffsetError,
  KafkaRecordError,
  KafkaRemoteError,
  KafkaTransactionLostError,
} from './errors.js';
export type { KafkaErrorCode, KafkaErrorDetails } from './errors.js';
