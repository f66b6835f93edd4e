import type { ExtensionSpec } from './extension-spec.js';
import type { Granularity } from './granularity.js';

/** How text is searched, by the page "Search queries" of Druid's documentation. */
export type SearchQuerySpec =
  | { readonly type: 'insensitive_contains'; readonly value: string }
  | { readonly type: 'contains'; readonly value: string; readonly caseSensitive?: boolean }
  | { readonly type: 'fragment'; readonly values: readonly string[]; readonly caseSensitive?: boolean }
  | { readonly type: 'regex'; readonly pattern: string }
  | { readonly type: 'all' };

interface MissingValues {
  readonly retainMissingValue?: boolean;
  readonly replaceMissingValueWith?: string;
  readonly injective?: boolean;
  readonly optimize?: boolean;
}

/** What is done to each value of a dimension, by "Extraction functions" on Druid's page "Transforming dimension values". */
export type ExtractionFn =
  | {
      readonly type: 'regex';
      readonly expr: string;
      /** The group to take; 0 is the whole match. Default: 1. */
      readonly index?: number;
      readonly replaceMissingValue?: boolean;
      readonly replaceMissingValueWith?: string;
    }
  | { readonly type: 'partial'; readonly expr: string }
  | { readonly type: 'searchQuery'; readonly query: SearchQuerySpec }
  | { readonly type: 'substring'; readonly index: number; readonly length?: number }
  | { readonly type: 'strlen' }
  | {
      readonly type: 'timeFormat';
      /** Joda's format; ISO 8601 unless given. */
      readonly format?: string;
      readonly timeZone?: string;
      readonly locale?: string;
      readonly granularity?: Granularity;
      readonly asMillis?: boolean;
    }
  | {
      readonly type: 'time';
      readonly timeFormat: string;
      readonly resultFormat: string;
      readonly joda?: boolean;
    }
  | { readonly type: 'javascript'; readonly function: string; readonly injective?: boolean }
  | ({ readonly type: 'registeredLookup'; readonly lookup: string } & MissingValues)
  | ({ readonly type: 'lookup'; readonly lookup: InlineLookup } & MissingValues)
  | { readonly type: 'cascade'; readonly extractionFns: readonly ExtractionFn[] }
  | {
      readonly type: 'stringFormat';
      readonly format: string;
      readonly nullHandling?: 'nullString' | 'emptyString' | 'returnNull';
    }
  | { readonly type: 'upper' | 'lower'; readonly locale?: string }
  | { readonly type: 'bucket'; readonly size?: number; readonly offset?: number }
  | { readonly type: 'identity' }
  | ExtensionSpec;

/** A lookup that is sent with the query. */
export interface InlineLookup {
  readonly type: 'map';
  readonly map: Readonly<Record<string, string>>;
  readonly isOneToOne?: boolean;
}
