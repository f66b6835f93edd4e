import { createAPI, Writer, type Connection } from '@platformatic/kafka';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

/** One request of Kafka's protocol, in one of its flexible versions. Errors in a response are data, not exceptions. */
export interface KafkaApi<Request, Response> {
  readonly name: string;
  readonly key: number;
  readonly version: number;
  send(connection: Connection, request: Request): Promise<Response>;
}

interface ApiDefinition<Request, Response> {
  readonly name: string;
  readonly key: number;
  readonly version: number;
  readonly write: (w: WireWriter, request: Request) => void;
  readonly read: (r: WireReader) => Response;
}

/**
 * The client library sends the request and finds its response; what is in them is written and read here. Field by field as in
 * the message definitions of Apache Kafka (`clients/src/main/resources/common/message`).
 */
export function kafkaApi<Request, Response>(
  definition: ApiDefinition<Request, Response>,
): KafkaApi<Request, Response> {
  const { name, key, version, write, read } = definition;
  const api = createAPI<[Request], Response>(
    key,
    version,
    (request: Request) => {
      const writer = new WireWriter();
      write(writer, request);
      return Writer.create().append(writer.noTags().bytes);
    },
    (_correlationId, _key, _version, reader) => read(new WireReader(reader.buffer.buffer, reader.position)),
  );
  return { name, key, version, send: (connection, request) => api.async(connection, request) };
}
