import { apiVersionsV3 } from '@platformatic/kafka';
import type { KafkaApi } from './kafka-api.js';

/** The latest version of each request, by its key, that a broker understands. */
export type BrokerVersions = ReadonlyMap<number, number>;

export const brokerVersions: KafkaApi<undefined, BrokerVersions> = {
  name: 'ApiVersions',
  key: 18,
  version: 3,
  send: async (connection) => {
    const { apiKeys } = await apiVersionsV3.api.async(connection, 'millrace', '1');
    return new Map(apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]));
  },
};
