import type { KafkaDeserializer, KafkaSerializer } from '@millrace/connector-kafka';

/** `compile` is your library's, such as `(schema) => avro.Type.forSchema(JSON.parse(schema))` and its `fromBuffer`. */
export function registryDeserializer<T>(
  subjectUrl: string, // such as http://registry:8081/subjects/orders-value
  compile: (schema: string) => (bytes: Buffer) => T,
): KafkaDeserializer<T> {
  return {
    async prepare({ signal }) {
      const decoders = new Map<number, (bytes: Buffer) => T>();
      for (const version of await ask<number[]>(`${subjectUrl}/versions`, { signal })) {
        const registered = `${subjectUrl}/versions/${version}`;
        const { id, schema } = await ask<{ id: number; schema: string }>(registered, { signal });
        decoders.set(id, compile(schema));
      }
      return ({ value }) => {
        // A zero, the id of the schema in four bytes, the record.
        if (value?.[0] !== 0) throw new TypeError('it does not begin as records of the registry do');
        const id = value.readInt32BE(1);
        const decode = decoders.get(id);
        if (decode === undefined) throw new TypeError(`its schema ${id} came after the start of the job`);
        return decode(value.subarray(5));
      };
    },
  };
}

export function registrySerializer<T>(
  topic: string,
  subjectUrl: string,
  schema: { readonly schemaType: 'AVRO' | 'JSON' | 'PROTOBUF'; readonly schema: string },
  encode: (value: T) => Uint8Array,
): KafkaSerializer<T> {
  return {
    async prepare({ signal }) {
      const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
      const request = { method: 'POST', headers, body: JSON.stringify(schema), signal };
      const { id } = await ask<{ id: number }>(`${subjectUrl}/versions`, request); // the same one, if it is there
      const begin = Buffer.alloc(5);
      begin.writeInt32BE(id, 1);
      return (value) => ({ topic, value: Buffer.concat([begin, encode(value)]) });
    },
  };
}

async function ask<R>(url: string, request: RequestInit): Promise<R> {
  const response = await fetch(url, request);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as R;
}
