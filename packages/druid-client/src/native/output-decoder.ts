/**
 * Decodes the members of a result by what its query says of them.
 *
 * Invariant 1: a member is handed out as its type or not at all ({@link DruidDecodeError}).
 */
import { replaceBigInts, unsafeInteger } from '../columns.js';
import { DruidDecodeError } from '../errors.js';
import { setOwn } from '../json-decode.js';
import { decoderOf, misfit, shown, unsafeIn, type Decode, type DecodeModes } from '../sql-column-decoder.js';
import { aggregationName, aggregationOutput } from './aggregations.js';
import { dimensionName, dimensionOutput } from './dimension-outputs.js';
import { eternityStart } from './intervals.js';
import type { Output, OutputKind } from './output-types.js';
import { postAggregationOutput } from './post-aggregations.js';
import type { RowParts } from './result-rows.js';

/** The members that the rows of a query have. */
export function outputsOf({
  dimensions,
  aggregations,
  postAggregations,
  context,
}: RowParts): readonly Output[] {
  const isFinalized = !('finalize' in context && context.finalize === false);
  return [
    ...dimensions.map((spec) => ({ name: dimensionName(spec), type: dimensionOutput(spec) })),
    ...aggregations.map((spec) => ({
      name: aggregationName(spec),
      type: aggregationOutput(spec, isFinalized),
    })),
    ...postAggregations.map((spec) => ({
      name: spec.name,
      type: postAggregationOutput(spec, aggregations),
    })),
  ];
}

interface Member {
  readonly name: string;
  readonly kind: OutputKind;
  readonly isNullable: boolean;
  readonly decode: Decode;
}

/** See the head of the file. */
export class OutputDecoder {
  private readonly members: readonly Member[];
  private readonly modes: DecodeModes;
  private readonly operation: string;
  private readonly decodeTime: Decode;

  constructor(outputs: readonly Output[], modes: DecodeModes, operation: string) {
    this.modes = modes;
    this.operation = operation;
    this.decodeTime = decoderOf('timestamp', modes);
    this.members = outputs.map(({ name, type }) => {
      const kind = type.replace(' not null', '') as OutputKind;
      const decode = kind === 'any' ? asItIs : decoderOf(kind, modes);
      return { name, kind, isNullable: kind === type, decode };
    });
  }

  /** Decodes the members of one result in place. @throws DruidDecodeError */
  decode(result: Record<string, unknown>, hasBigInt: boolean, row: number): void {
    for (const { name, kind, isNullable, decode } of this.members) {
      const value = Object.hasOwn(result, name) ? result[name] : null;
      const isExact = kind === 'any' && hasBigInt;
      const decoded = isExact ? this.exact(value, name, row) : value === null ? null : decode(value);
      if (decoded === misfit || (decoded === null && !isNullable)) {
        throw this.misfitError(name, kind, value, row); // invariant 1
      }
      setOwn(result, name, decoded);
    }
  }

  /** A time of the answer itself. @throws DruidDecodeError */
  time(value: unknown, row: number, name = 'timestamp'): unknown {
    const decoded = this.decodeTime(value);
    if (decoded !== misfit) return decoded;
    // Beyond what a Date can hold, and yet common: the one bucket of a query over all times.
    const isFirst = value === eternityStart.text || value === BigInt(eternityStart.ms);
    if (isFirst && this.modes.timestamps === 'ms') return eternityStart.ms;
    throw this.misfitError(name, 'timestamp', value, row);
  }

  private exact(value: unknown, column: string, row: number): unknown {
    return replaceBigInts(value, this.modes.int64, (found) =>
      unsafeInteger(found, this.operation, { column, row }),
    );
  }

  private misfitError(name: string, kind: OutputKind, value: unknown, row: number): DruidDecodeError {
    const unsafe = unsafeIn(value, kind, this.modes.int64);
    if (unsafe !== undefined) return unsafeInteger(unsafe, this.operation, { column: name, row });
    const hint =
      kind === 'timestamp' && value !== null
        ? "Ask for timestamps: 'ms', or for intervals within the years that a Date can hold."
        : 'Read the answer as it is with native.query.';
    return new DruidDecodeError({
      message: `Row ${row} of the ${this.operation} has ${shown(value)} for '${name}', where ${kind} was expected. ${hint}`,
      details: { operation: this.operation, column: name, row, value: shown(value) },
    });
  }
}

const asItIs: Decode = (value) => value;
