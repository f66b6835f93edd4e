import { StreamConfigError } from '../errors.js';

export function checkDuration(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new StreamConfigError(`${name} must be a whole number of milliseconds above 0, got ${value}`);
  }
}

export function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new StreamConfigError(`${name} must be a whole number above 0, got ${value}`);
  }
}

export function checkOffset(offset: number, slide: number): void {
  if (!Number.isSafeInteger(offset) || Math.abs(offset) >= slide) {
    throw new StreamConfigError(
      `offsetMs must be a whole number between ${-slide} and ${slide} (exclusive), got ${offset}`,
    );
  }
}
