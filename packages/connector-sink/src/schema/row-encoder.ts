/**
 * Encodes records as rows of newline-delimited JSON: one function per schema, generated once so that every property access
 * and every branch belongs to one column. Where code generation is not allowed, closures do the same.
 *
 * Invariant 1: a row holds exactly the record's values. A value that its column cannot hold exactly is rejected with the
 * reason, never rounded, truncated or replaced.
 * Invariant 2: the generated function and the closures produce the same rows and the same rejections.
 */
import { columnEncoders, type ColumnEncoder, type EncodedType } from './column-encoders.js';
import type { DruidSchema } from './druid-schema.js';
import { rowEncoding, type EncodedRow, type EncodeRow, type RejectedValue } from './encoded-row.js';
import { timestampEncoder, type EncodeTimestamp } from './encode-timestamp.js';
import type { Rejection } from './rejection.js';
import { DruidSinkConfigError } from '../errors.js';

/** The column that Druid reads its time from. Epoch milliseconds. */
export const TIME_COLUMN = '__time';

export type { EncodedRow, RejectedValue } from './encoded-row.js';

interface EncodedField {
  readonly name: string;
  readonly type: EncodedType;
  /** `,"name":` */
  readonly prefix: string;
}

interface TimeField {
  readonly name: string;
  readonly encode: EncodeTimestamp;
}

export interface RowEncoderOptions {
  /** Whether to generate code; without it closures are used. Default: where the process allows it. */
  readonly generateCode?: boolean;
  /** Instead of the schema's own reading of its timestamp. */
  readonly encodeTime?: EncodeTimestamp;
}

/** Encodes the records of one schema. */
export class RowEncoder<T> {
  readonly #encode: EncodeRow;

  constructor(schema: DruidSchema<T>, options: RowEncoderOptions = {}) {
    const fields = encodedFields(schema);
    const time: TimeField = {
      name: schema.timestampField,
      encode: options.encodeTime ?? timestampEncoder(schema.timestampFormat),
    };
    if (schema[rowEncoding] !== undefined) {
      this.#encode = schema[rowEncoding];
      return;
    }
    const generated = options.generateCode === false ? undefined : generate(time, fields);
    this.#encode = generated ?? interpret(time, fields);
  }

  /** Encodes `record` into `row`, or says why it cannot be a row. */
  encode(record: T, row: EncodedRow): RejectedValue | undefined {
    return this.#encode(record as Readonly<Record<string, unknown>>, row);
  }
}

function encodedFields<T>(schema: DruidSchema<T>): EncodedField[] {
  return [...fieldTypes(schema)].map(([name, type]) => ({ name, type, prefix: `,${JSON.stringify(name)}:` }));
}

/**
 * The fields that rows carry, and how they are written: the dimensions, and what metrics read besides.
 * @throws DruidSinkConfigError where a metric cannot read its field
 */
export function fieldTypes<T>(schema: DruidSchema<T>): ReadonlyMap<string, EncodedType> {
  const types = new Map<string, EncodedType>(schema.dimensions.map(({ name, type }) => [name, type]));
  for (const { name, spec } of schema.metrics) {
    if (spec.type === 'count') continue;
    const wanted = fieldTypeOf(spec.type);
    const present = types.get(spec.field);
    if (present === undefined) {
      types.set(spec.field, wanted);
    } else if (!fits[wanted].includes(present)) {
      throw new DruidSinkConfigError(
        `Metric '${name}' (${spec.type}) reads '${spec.field}', which is a ${present} dimension. Use ${wanted === 'scalar' ? 'text or a number' : 'a numeric field'}.`,
        { details: { column: name } },
      );
    }
  }
  return types;
}

const numbers: readonly EncodedType[] = ['long', 'double', 'float'];
const scalars: readonly EncodedType[] = ['string', 'string[]', ...numbers, 'scalar'];

/** Which types of a dimension a metric can read. */
const fits = { long: numbers, double: numbers, float: numbers, scalar: scalars };

function fieldTypeOf(metric: string): keyof typeof fits {
  if (metric.startsWith('long')) return 'long';
  if (metric.startsWith('float')) return 'float';
  return metric === 'thetaSketch' || metric === 'HLLSketchBuild' ? 'scalar' : 'double';
}

function reject(column: string, rejection: Rejection): Rejection {
  rejection.column = column;
  return rejection;
}

function interpret(time: TimeField, fields: readonly EncodedField[]): EncodeRow {
  const columns = fields.map((field) => ({ ...field, encode: columnEncoders[field.type] }));
  return (record, row) => {
    const at = time.encode(record[time.name]);
    if (typeof at !== 'number') return reject(time.name, at);
    let text = `{"${TIME_COLUMN}":${at}`;
    for (const { name, prefix, encode } of columns) {
      const value = record[name];
      if (value === null || value === undefined) continue;
      const encoded = encode(value);
      if (typeof encoded !== 'string') return reject(name, encoded);
      text += prefix + encoded;
    }
    row.text = text;
    row.time = at;
    return undefined;
  };
}

/** The generated function: the loop above, unrolled. Names enter it as JSON texts, which are JavaScript literals too. */
function generate(time: TimeField, fields: readonly EncodedField[]): EncodeRow | undefined {
  const types = [...new Set(fields.map(({ type }) => type))];
  const columns = fields.map(({ name, type, prefix }) => {
    const key = JSON.stringify(name);
    return `
  v = record[${key}];
  if (v !== null && v !== undefined) {
    e = encoders[${JSON.stringify(type)}](v);
    if (typeof e !== 'string') return reject(${key}, e);
    text += ${JSON.stringify(prefix)} + e;
  }`.replace(`encoders[${JSON.stringify(type)}]`, `encode${types.indexOf(type)}`);
  });
  const body = `'use strict';
${types.map((type, index) => `const encode${index} = encoders[${JSON.stringify(type)}];`).join('\n')}
return function encodeRow(record, row) {
  const time = encodeTimestamp(record[${JSON.stringify(time.name)}]);
  if (typeof time !== 'number') return reject(${JSON.stringify(time.name)}, time);
  let text = '{"${TIME_COLUMN}":' + time;
  let v, e;${columns.join('')}
  row.text = text;
  row.time = time;
  return undefined;
};`;
  try {
    return new Function('encoders', 'encodeTimestamp', 'reject', body)(
      columnEncoders satisfies Record<EncodedType, ColumnEncoder>,
      time.encode,
      reject,
    ) as EncodeRow;
  } catch (error) {
    // `--disallow-code-generation-from-strings` makes it an EvalError.
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}
