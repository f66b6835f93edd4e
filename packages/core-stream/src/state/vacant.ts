/** What a slot without state holds; `undefined` can be a value. */
export const VACANT: unique symbol = Symbol('vacant');
