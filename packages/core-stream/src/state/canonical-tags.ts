/** The first byte of every value in the canonical encoding. It never changes: checkpoints hold it. */
export const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  int32: 4,
  float64: 5,
  bigint: 6,
  latin1: 7,
  utf16: 8,
  bytes: 9,
  date: 10,
  array: 11,
  object: 12,
  map: 13,
  set: 14,
} as const;
