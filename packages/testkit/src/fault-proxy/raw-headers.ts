/** Header lists as they travel: names and values in turn, in order, with their case and their repetitions. */
export type RawHeaders = readonly string[];

/** `raw` without the named headers. */
export function withoutHeaders(raw: RawHeaders, ...names: readonly string[]): string[] {
  return raw.filter((_, i) => !names.includes((raw[i - (i % 2)] as string).toLowerCase()));
}

/** `raw` with `name` set once, at its end. */
export function withHeader(raw: RawHeaders, name: string, value: string): string[] {
  return [...withoutHeaders(raw, name.toLowerCase()), name, value];
}

/** `raw` of a body whose length is not known any more. */
export function asChunked(raw: RawHeaders): string[] {
  return withHeader(withoutHeaders(raw, 'content-length'), 'Transfer-Encoding', 'chunked');
}

/** A flat list as pairs, as `addTrailers` takes them. */
export function asPairs(raw: RawHeaders): [string, string][] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] as string] as [string, string]] : []));
}
