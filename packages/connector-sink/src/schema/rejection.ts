/** Why a value does not fit its column. The column's name is filled in by the caller. */
export class Rejection {
  column = '';
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A value for a message: short, and with its type where the text alone would mislead. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : value.toISOString();
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
