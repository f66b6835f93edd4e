/**
 * Generates the code that reads rows of Smile as objects: one loop over the bytes in which each column has code of its own,
 * without an array of values or a check of the end for each.
 *
 * Invariant 1: a record has the values that the row's plain values have, each of its column's kind.
 * Invariant 2: generated code holds nothing of the program but names of columns, as quoted texts.
 */
import type { Int64Mode } from './columns.js';
import { smileDouble, smileFloat, smileInteger, type ReadRows } from './smile-decode.js';

/**
 * What a column of records holds: `string`, `long` (as `int64` says) and `double` may be null, `any` is whatever comes.
 * `__time` is always a `timestamp`: epoch milliseconds, never null.
 */
export type RecordColumn = 'timestamp' | 'string' | 'long' | 'double' | 'any';

interface RecordValues<I extends Int64Mode> {
  readonly string: string | null;
  readonly long: { 'safe-number': number; bigint: bigint; string: string }[I] | null;
  readonly double: number | null;
  readonly timestamp: number | null;
  readonly any: unknown;
}

/** The records of such columns. */
export type RecordOf<C extends Readonly<Record<string, RecordColumn>>, I extends Int64Mode> = {
  -readonly [K in keyof C]: K extends '__time' ? number : RecordValues<I>[C[K]];
};

/** Rows as objects. `times` are their epoch milliseconds; empty if `__time` is not among the columns. */
export interface Records<T = Record<string, unknown>> {
  readonly records: T[];
  readonly times: number[];
}

/** How rows of certain columns become records. */
export interface RecordReading {
  /** Takes rows whose values come in the usual forms; stops before any other, and before the last few bytes. */
  readonly readRows: ReadRows<Records>;
  /** Adds a row that was read as plain values; false if one of them is not of its column's kind (invariant 1). */
  readonly addRow: (values: readonly unknown[], rows: Records) => boolean;
}

// Beyond that the engine may not optimise the code any more, and plain rows are as good.
const maxColumns = 64;
// By kind: the bytes of the longest value that is read without a look at the end.
const longest: Record<RecordColumn, number> = { timestamp: 8, long: 8, double: 11, string: 66, any: 1 };

const integer = (v: string): string => `{${v}=integer(b,++p);if(${v}!==${v})break;while(b[p++]<0x80);}`;
const orNull = (v: string): string => `else if(x===0x21){${v}=null;p++;}else break;`;

/**
 * By kind: code that reads the value at `b[p]` and moves on, or breaks; it is behind `x=b[p];`. Times are as `smileInteger` has
 * them, for the six or seven bytes of those since 1978.
 */
const codes: Record<RecordColumn, (v: string) => string> = {
  timestamp: (v) => `if(x!==0x25||(b[p+1]|b[p+2]|b[p+3]|b[p+4]|b[p+5])>=0x80)break;
y=b[p+1]<<14|b[p+2]<<7|b[p+3];x=b[p+6];
if(x>=0x80){z=b[p+4]<<13|b[p+5]<<6|x&0x3f;p+=7;${v}=y*0x80000+(z>>>1);}
else{if(b[p+7]<0x80)break;z=b[p+4]<<20|b[p+5]<<13|x<<6|b[p+7]&0x3f;p+=8;${v}=y*0x4000000+(z>>>1);}
if((z&1)!==0)${v}=-${v}-1;`,
  long: (v) => `if(x>=0xc0&&x<0xe0){${v}=(x&0x1f)>>>1^-(x&1);p++;}
else if(x===0x24||x===0x25)${integer(v)}${orNull(v)}`,
  double: (v) => `if(x===0x29){${v}=double(b,p+1);p+=11;}
else if(x===0x28){${v}=float(b,p+1);p+=6;}${orNull(v)}`,
  string: (v) => `if(x>=0x40&&x<0x80){y=p+1;p=y+(x&0x3f)+1;${v}=texts.ascii(b,y,p);}
else if(x>=0x80&&x<0xc0){y=p+1;p=y+(x&0x3f)+2;${v}=b.toString('utf8',y,p);}${orNull(v)}`,
  any: () => 'break;',
};

/** By kind: whether a plain value is of it. */
const fits: Record<RecordColumn, (v: string) => string> = {
  timestamp: (v) => `typeof ${v}==='number'`,
  long: (v) => `(${v}===null||Number.isSafeInteger(${v}))`,
  double: (v) => `(${v}===null||typeof ${v}==='number')`,
  string: (v) => `(${v}===null||typeof ${v}==='string')`,
  any: () => 'true',
};

const ofLong: Record<Int64Mode, (v: string) => string> = {
  'safe-number': (v) => v,
  bigint: (v) => `${v}===null?null:BigInt(${v})`,
  string: (v) => `${v}===null?null:String(${v})`,
};

/**
 * The code for rows of these columns; undefined if there are too many, or the process forbids code generation from strings.
 *
 * @param columns of the rows, in order; those that `kinds` does not have are left out of the records
 */
export function compileRecordReading(
  columns: readonly string[],
  kinds: Readonly<Record<string, RecordColumn>>,
  int64: Int64Mode,
): RecordReading | undefined {
  if (columns.length > maxColumns) return undefined;
  const all = columns.map((name, i) => {
    const isNamed = Object.hasOwn(kinds, name);
    const kind = name === '__time' ? 'timestamp' : isNamed ? (kinds[name] as RecordColumn) : 'any';
    return { name, kind, isNamed, v: `v${i}` };
  });
  const members = all.flatMap(({ name, kind, isNamed, v }) => {
    if (!isNamed) return [];
    const key = name === '__proto__' ? '["__proto__"]' : JSON.stringify(name); // plain, it would set the prototype
    return `${key}:${kind === 'long' ? ofLong[int64](v) : v}`;
  });
  const time = all.find(({ name }) => name === '__time');
  // Push would be a call: empty arrays are of another kind than those with values.
  const add = `records[records.length]={${members.join()}};${time === undefined ? '' : `times[times.length]=${time.v};`}`;
  const code = `'use strict';
function readRows(b,p,end,texts,{records,times}){
let row=p,x=0,y=0,z=0,${all.map(({ v }) => v).join()};
const last=end-${all.reduce((sum, { kind }) => sum + longest[kind], 2)};
for(;p<=last;row=p){
if(b[p++]!==0xf8)break;
${all.map(({ kind, v }) => `x=b[p];${codes[kind](v)}`).join('\n')}
if(b[p++]!==0xf9)break;
${add}
}
return row;
}
function addRow(values,{records,times}){
const [${all.map(({ v }) => v).join()}]=values;
if(!(values.length===${columns.length}${all.map(({ kind, v }) => `&&${fits[kind](v)}`).join('')}))return false;
${add}
return true;
}
return {readRows,addRow};`;
  return compile(code);
}

// The engine optimises each function anew, and scans of one source are many.
const known = new Map<string, RecordReading>();
const maxKnown = 64;

function compile(code: string): RecordReading | undefined {
  let compiled = known.get(code);
  if (compiled !== undefined) return compiled;
  try {
    const make = new Function('integer', 'double', 'float', code);
    compiled = make(smileInteger, smileDouble, smileFloat) as RecordReading;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
  if (known.size === maxKnown) known.clear();
  known.set(code, compiled);
  return compiled;
}
