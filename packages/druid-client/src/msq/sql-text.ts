import { DruidConfigError } from '../errors.js';

/** A quoted identifier: `a"b` becomes `"a""b"`. @throws DruidConfigError for an empty name */
export function identifier(name: string): string {
  if (name !== '') return `"${name.replaceAll('"', '""')}"`;
  throw new DruidConfigError({
    message: 'An SQL identifier must not be empty.',
    details: { option: 'identifier' },
  });
}

/** A string literal: `it's` becomes `'it''s'`. Druid's parser knows no other escape in it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
