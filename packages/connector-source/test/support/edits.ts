/** Rows of three days, numbered through, each with a time of its own. */
export const edits = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => {
    const id = first + i;
    return JSON.stringify({
      t: Date.UTC(2024, 0, 1 + (id % 3)) + id * 20_000,
      page: `p${id % 7}`,
      added: id,
    });
  });

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
