declare const isExtension: unique symbol;

/** A piece of a query of a type that this package does not know; see {@link extension}. */
export interface ExtensionSpec {
  readonly type: string;
  readonly [isExtension]: true;
}

/**
 * Lets a filter, an aggregation or another piece of a query pass whatever its type, such as one of a Druid extension.
 * Nothing of it is checked, and its result is `unknown`.
 *
 * @example extension({ type: 'tDigestSketch', name: 'sketch', fieldName: 'latency' })
 */
export function extension<const S extends { readonly type: string }>(spec: S): S & ExtensionSpec {
  return spec as S & ExtensionSpec;
}
