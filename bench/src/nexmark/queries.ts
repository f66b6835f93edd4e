/** The queries, in the order in which they are shown. */
export const QUERIES = [
  'q0',
  'q1',
  'q2',
  'q3',
  'q4',
  'q5',
  'q7',
  'q8',
  'q9',
  'q11',
  'q12',
  'q18',
  'q19',
] as const;

export type Query = (typeof QUERIES)[number];

/** q12 works in processing time: its rows differ from run to run, so its output is the number of bids in them. */
export type ComparableQuery = Exclude<Query, 'q12'>;

export function isQuery(name: string): name is Query {
  return (QUERIES as readonly string[]).includes(name);
}
