import { z } from 'zod';
import { DruidDecodeError } from './errors.js';
import { decodeJson } from './json-decode.js';
import { parseWith } from './json-request.js';

const nativePlan = z.array(
  z.looseObject({
    query: z.looseObject({ queryType: z.string() }),
    signature: z.array(z.looseObject({ name: z.string(), type: z.string().nullish() })).nullish(),
    columnMappings: z.array(z.looseObject({ queryColumn: z.string(), outputColumn: z.string() })).nullish(),
  }),
);

const resources = z.array(z.looseObject({ name: z.string(), type: z.string() }));

const attributes = z.looseObject({
  statementType: z.string(),
  targetDataSource: z.string().nullish(),
  partitionedBy: z.unknown().optional(),
  clusteredBy: z.array(z.string()).nullish(),
  replaceTimeChunks: z.unknown().optional(),
});

/** A native query that Druid would run for the statement, with its columns and what they are called in the result. */
export type ExplainedQuery = z.infer<typeof nativePlan>[number];

/** What a statement reads: a name, and a type such as `DATASOURCE`. */
export type ExplainedResource = z.infer<typeof resources>[number];

/** The kind of statement (`SELECT`, `INSERT`, `REPLACE`) and, of the latter two, what they write. */
export type ExplainedAttributes = z.infer<typeof attributes>;

/** The answer to `EXPLAIN PLAN FOR`. */
export interface SqlPlan {
  /** The native queries; undefined for a statement that needs none, such as one about system tables. */
  readonly queries: readonly ExplainedQuery[] | undefined;
  readonly resources: readonly ExplainedResource[];
  /** Undefined from servers before Druid 25. */
  readonly attributes: ExplainedAttributes | undefined;
  /** The plan as Druid wrote it. */
  readonly text: string;
}

const operation = 'SQL explanation';

/** Reads the one row of an `EXPLAIN PLAN FOR`. @throws DruidDecodeError */
export function planOf(row: Readonly<Record<string, unknown>> | undefined): SqlPlan {
  const text = row?.['PLAN'];
  if (typeof text !== 'string') {
    throw new DruidDecodeError({
      message: `The ${operation} has no column PLAN.`,
      details: { operation, column: 'PLAN' },
    });
  }
  const attributeText = row?.['ATTRIBUTES'];
  return {
    // A plan that is no native query is Calcite's own text.
    queries: text.startsWith('[') ? parseWith(nativePlan, json(text, 'PLAN'), operation) : undefined,
    resources: parseWith(resources, json(row?.['RESOURCES'] ?? '[]', 'RESOURCES'), operation),
    attributes:
      typeof attributeText === 'string'
        ? parseWith(attributes, json(attributeText, 'ATTRIBUTES'), operation)
        : undefined,
    text,
  };
}

function json(text: unknown, column: string): unknown {
  try {
    return decodeJson(String(text)).value;
  } catch (cause) {
    throw new DruidDecodeError({
      message: `The ${operation} has no JSON in column ${column}: ${JSON.stringify(String(text).slice(0, 80))}.`,
      details: { operation, column },
      cause,
    });
  }
}
