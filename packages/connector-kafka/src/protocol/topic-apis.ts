import { kafkaApi } from './kafka-api.js';

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  /** -1: as the brokers have it by default. */
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
}

export const createTopic = kafkaApi<
  { topic: NewTopic; timeoutMs: number },
  { readonly errorCode: number; readonly errorMessage: string | null }
>({
  name: 'CreateTopics',
  key: 19,
  version: 5,
  write: (w, { topic, timeoutMs }) =>
    w
      .array([topic], ({ name, partitions, replicationFactor, config }) =>
        w
          .compactString(name)
          .int32(partitions)
          .int16(replicationFactor)
          .array([], () => undefined) // assignments
          .array(Object.entries(config), ([key, value]) => w.compactString(key).compactString(value)),
      )
      .int32(timeoutMs)
      .boolean(false),
  read: (r) => {
    r.int32(); // throttle time
    const [created] = r.array(() => {
      r.compactString();
      const result = { errorCode: r.int16(), errorMessage: r.compactString() };
      r.int32(); // partitions
      r.int16(); // replication factor
      r.array(() => {
        r.compactString();
        r.compactString();
        for (let flags = 0; flags < 3; flags++) r.int8(); // read only, source, sensitive
      });
      return result;
    });
    return created ?? { errorCode: -1, errorMessage: null };
  },
});
