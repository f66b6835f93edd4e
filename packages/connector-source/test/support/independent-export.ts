import { createHash } from 'node:crypto';

/** The rows of a statement over plain HTTP, past the packages under test: what a job's rows are compared with. */
export async function exportRows(
  url: string,
  statement: string,
  authorization?: string,
): Promise<unknown[][]> {
  const response = await fetch(`${url}/druid/v2/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
    body: JSON.stringify({ query: statement, resultFormat: 'arrayLines' }),
  });
  const text = await response.text();
  // An empty line at the end says that the answer is complete.
  if (!response.ok || !/(^|\n)\n$/.test(text))
    throw new Error(`No export (${response.status}): ${text.slice(-500)}`);
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown[]);
}

/** The number of rows and the sum of their SHA-256: the same for the same rows in any order. */
export function hashOf(rows: Iterable<readonly unknown[]>): string {
  let count = 0;
  let sum = 0n;
  for (const row of rows) {
    count++;
    sum += createHash('sha256').update(JSON.stringify(row)).digest().readBigUInt64BE();
  }
  return `${count} rows, ${BigInt.asUintN(64, sum).toString(16)}`;
}
