/** What all windows have: a last timestamp, at which they are complete. */
export interface Window {
  /** The last timestamp that belongs to the window, in epoch milliseconds: it is complete when time gets there. */
  maxTimestamp(): number;
}

/** A span of time, `[start, end)` in epoch milliseconds. */
export class TimeWindow implements Window {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }

  maxTimestamp(): number {
    return this.end - 1;
  }

  toString(): string {
    return `TimeWindow[${this.start}, ${this.end})`;
  }
}

/** The one window of all records: it is never complete by itself. */
export class GlobalWindow implements Window {
  static readonly #instance = new GlobalWindow();

  private constructor() {}

  static get(): GlobalWindow {
    return GlobalWindow.#instance;
  }

  maxTimestamp(): number {
    return Infinity;
  }

  toString(): string {
    return 'GlobalWindow';
  }
}

/** How a kind of window is told apart and stored. */
export interface WindowType<W extends Window> {
  /** Equal, as a key of a `Map`, for equal windows. */
  identityOf(window: W): string | number;
  /** Plain data, for checkpoints. */
  encode(window: W): unknown;
  decode(data: unknown): W;
}

export const timeWindowType: WindowType<TimeWindow> = {
  identityOf: ({ start, end }) => `${start}/${end}`,
  encode: ({ start, end }) => [start, end],
  decode: (data) => {
    const [start, end] = data as [number, number];
    return new TimeWindow(start, end);
  },
};

/** Of windows that all have the same length. */
export const alignedWindowType: WindowType<TimeWindow> = {
  ...timeWindowType,
  identityOf: ({ start }) => start,
};

export const globalWindowType: WindowType<GlobalWindow> = {
  identityOf: () => 0,
  encode: () => null,
  decode: () => GlobalWindow.get(),
};

/** The start of the window of length `size` that holds `timestamp`, aligned to `offset`. */
export function windowStartOf(timestamp: number, offset: number, size: number): number {
  const remainder = (timestamp - offset) % size;
  return timestamp - (remainder < 0 ? remainder + size : remainder);
}
