import { q3Loop, q4Loop, q8Loop, q9Loop } from './loop-joins.js';
import { q18Loop, q19Loop } from './loop-rankings.js';
import { q0Loop, q1Loop, q2Loop } from './loop-selections.js';
import { q11Loop, q12Loop, q5Loop, q7Loop } from './loop-windows.js';
import type { CreateQueryLoop } from './loop.js';
import type { Query } from './queries.js';

export const LOOPS: Readonly<Record<Query, CreateQueryLoop>> = {
  q0: q0Loop,
  q1: q1Loop,
  q2: q2Loop,
  q3: q3Loop,
  q4: q4Loop,
  q5: q5Loop,
  q7: q7Loop,
  q8: q8Loop,
  q9: q9Loop,
  q11: q11Loop,
  q12: q12Loop,
  q18: q18Loop,
  q19: q19Loop,
};
