/** One thing that an implementation must do; `run` rejects where it does not. */
export interface ContractCase {
  readonly name: string;
  run(): Promise<void>;
}

/** `open` makes a store over one place that is empty at the first call of a case: `open()` again is what another process has. */
export interface ContractPlace<S> {
  open(): S;
  remove(): Promise<void>;
}

/** Each check with a place of its own. */
export function contractCases<S>(
  make: () => Promise<ContractPlace<S>>,
  checks: Readonly<Record<string, (open: () => S) => Promise<void>>>,
): readonly ContractCase[] {
  return Object.entries(checks).map(([name, check]) => ({
    name,
    async run() {
      const place = await make();
      try {
        await check(() => place.open());
      } finally {
        await place.remove();
      }
    },
  }));
}
