import { q3, q4, q9 } from './program-joins.js';
import { q18, q19 } from './program-rankings.js';
import { q0, q1, q2 } from './program-selections.js';
import { q11, q12, q5, q7, q8 } from './program-windows.js';
import type { QueryProgram } from './program.js';
import type { Query } from './queries.js';

export const PROGRAMS: Readonly<Record<Query, QueryProgram>> = {
  q0,
  q1,
  q2,
  q3,
  q4,
  q5,
  q7,
  q8,
  q9,
  q11,
  q12,
  q18,
  q19,
};
