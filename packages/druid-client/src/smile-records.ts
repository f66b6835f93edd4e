/**
 * Generates the code that reads rows of Smile as objects: one loop over the bytes in which each column has code of its own,
 * without an array of values, a call or a check of the end for each value.
 *
 * Invariant 1: a record has the values that the row's plain values have, each of its column's kind; a row that cannot be had
 *   so is not taken, and nothing of it is left behind.
 * Invariant 2: generated code holds nothing of the program but names of columns, as quoted texts.
 */
import type { Int64Mode } from './columns.js';
import { smileDouble, type ReadRows } from './smile-decode.js';

/**
 * What a column of records holds: `string`, `long` (as `int64` says) and `double` may be null, `any` is whatever comes.
 * `__time` is always a `timestamp`: epoch milliseconds, never null.
 */
export type RecordColumn = 'timestamp' | 'string' | 'long' | 'double' | 'any';

/** Rows as objects. `times` are their epoch milliseconds; empty if `__time` is not among the columns. */
export interface Records {
  readonly records: Record<string, unknown>[];
  readonly times: number[];
}

/** Padding that a reader of such rows needs: more than the longest value that is read without looking for the end. */
export const recordPadding = (columns: number): number => 80 * (columns + 1);

// Beyond that the engine may not optimise the function any more, and plain rows are as good.
const maxColumns = 64;

/** What is not read by the code at hand, or has no value at all because the row is too short. */
const otherwise = (v: string, fits: string): string =>
  `{if(b[p]===0xf9){fits=false;break;}other=true;${v}=r.valueAt(p,row);p=r.position;if(p>end)break;fits=fits&&(${fits});}`;

/** Of 0x25: six or seven bytes, which is what times take, and integers of 35 to 48 bits. */
const longBytes = (v: string): string => `
if(b[p]===0x25&&(b[p+1]|b[p+2]|b[p+3]|b[p+4]|b[p+5])<0x80&&((x=b[p+6])>=0x80||b[p+7]>=0x80)){
z=b[p+1]<<14|b[p+2]<<7|b[p+3];
if(x>=0x80){y=b[p+4]<<13|b[p+5]<<6|x&0x3f;${v}=z*0x80000+(y>>>1);p+=7;}
else{y=b[p+4]<<20|b[p+5]<<13|x<<6|b[p+7]&0x3f;${v}=z*0x4000000+(y>>>1);p+=8;}
if((y&1)!==0)${v}=-${v}-1;
}`;

const time = (v: string): string => `${longBytes(v)}else${otherwise(v, `typeof ${v}==='number'`)}`;

const long = (v: string): string => `
x=b[p];
if(x>=0xc0&&x<0xe0){${v}=(x&0x1f)>>>1^-(x&1);p++;}
else if(x===0x24&&(b[p+1]>=0x80||b[p+2]>=0x80||b[p+3]>=0x80||b[p+4]>=0x80)){
z=0;p++;
while((x=b[p++])<0x80)z=z<<7|x;
z=z<<6|x&0x3f;${v}=z>>>1^-(z&1);
}
else if(x===0x21){${v}=null;p++;}
else${longBytes(v)}else${otherwise(v, `${v}===null||Number.isSafeInteger(${v})`)}`;

const double = (v: string): string => `
if(b[p]===0x29){${v}=double(b,p+1);p+=11;}
else if(b[p]===0x21){${v}=null;p++;}
else${otherwise(v, `${v}===null||typeof ${v}==='number'`)}`;

const string = (v: string): string => `
x=b[p];
if(x>=0x40&&x<0x80){z=p+1;p=z+(x&0x3f)+1;${v}=texts.ascii(b,z,p);}
else if(x===0x21){${v}=null;p++;}
else${otherwise(v, `${v}===null||typeof ${v}==='string'`)}`;

const any = (v: string): string => otherwise(v, 'true');

const codes = { timestamp: time, string, long, double, any } as const;

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
export function compileReadRecords(
  columns: readonly string[],
  kinds: Readonly<Record<string, RecordColumn>>,
  int64: Int64Mode,
): ReadRows<Records> | undefined {
  if (columns.length > maxColumns) return undefined;
  const variables = columns.map((_, i) => `v${i}`);
  const kindOf = (column: string): RecordColumn => {
    if (column === '__time') return 'timestamp';
    return Object.hasOwn(kinds, column) ? (kinds[column] as RecordColumn) : 'any';
  };
  const body = columns.map((column, i) => codes[kindOf(column)](`v${i}`));
  const members = columns.flatMap((column, i) => {
    if (!Object.hasOwn(kinds, column)) return [];
    const key = JSON.stringify(column);
    const value = kindOf(column) === 'long' ? ofLong[int64](`v${i}`) : `v${i}`;
    return `${column === '__proto__' ? `[${key}]` : key}:${value}`; // plain, it would set the prototype
  });
  const timeAt = columns.indexOf('__time');
  const code = `'use strict';
return function readRecords(r,b,p,end,texts,rows){
const records=rows.records,times=rows.times;
let row=p,fits=true,other=false,x=0,y=0,z=0,${variables.join()};
for(;p<end;row=p){
if(b[p]!==0xf8){r.isMisfit=b[p]!==0xf9;return row;}
p++;
${body.join('\n')}
if(p>=end)break;
if(b[p]!==0xf9||other&&r.hasBigInt)fits=false;
if(!fits)break;
p++;
records.push({${members.join()}});
${timeAt < 0 ? '' : `times.push(v${timeAt});`}
other=false;
}
if(other)r.undo();
r.isMisfit=!fits;
return row;
}`;
  try {
    return new Function('double', code)(smileDouble) as ReadRows<Records>;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}
