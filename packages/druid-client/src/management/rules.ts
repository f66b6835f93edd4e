import { z } from 'zod';
import { path } from '../request.js';
import type { Transport } from '../transport.js';
import {
  auditEntries,
  change,
  historyQuery,
  read,
  type AuditEntry,
  type AuditOptions,
  type CallOptions,
  type HistoryOptions,
} from './calls.js';

/**
 * What to do with the segments of some time: load them with so many replicas a tier, drop or broadcast them. The first
 * rule that fits a segment counts.
 */
export type RetentionRule =
  | {
      readonly type: 'loadForever';
      readonly tieredReplicants?: TieredReplicants;
      readonly [key: string]: unknown;
    }
  | {
      readonly type: 'loadByInterval';
      /** `start/end` in ISO 8601. */
      readonly interval: string;
      readonly tieredReplicants?: TieredReplicants;
      readonly [key: string]: unknown;
    }
  | {
      readonly type: 'loadByPeriod';
      /** ISO 8601, such as `P1M`, back from now. */
      readonly period: string;
      readonly includeFuture?: boolean;
      readonly tieredReplicants?: TieredReplicants;
      readonly [key: string]: unknown;
    }
  | { readonly type: 'dropForever' }
  | { readonly type: 'dropByInterval'; readonly interval: string }
  | { readonly type: 'dropByPeriod'; readonly period: string; readonly includeFuture?: boolean }
  | { readonly type: 'dropBeforeByPeriod'; readonly period: string }
  | { readonly type: 'broadcastForever' }
  | { readonly type: 'broadcastByInterval'; readonly interval: string }
  | { readonly type: 'broadcastByPeriod'; readonly period: string; readonly includeFuture?: boolean };

/** Replicas by tier; 0: queryable from deep storage only. */
export type TieredReplicants = Readonly<Record<string, number>>;

/** A rule as Druid tells it: a {@link RetentionRule}, or one that this version does not know. */
export interface StoredRule {
  readonly type: string;
  readonly [key: string]: unknown;
}

const rules = z.array(z.looseObject({ type: z.string() }));
const base = '/druid/coordinator/v1/rules';

/** The name under which the rules of all datasources are kept; they count after a datasource's own. */
export const defaultRules = '_default';

/** Retention rules: `/druid/coordinator/v1/rules` ("Retention rules API" in Druid's documentation). */
export class DruidRules {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** The rules of all datasources that have some, by name; those for all are under `_default`. */
  all(options: CallOptions = {}): Promise<Record<string, StoredRule[]>> {
    return read(this.transport, { operation: 'rules', path: base }, z.record(z.string(), rules), options);
  }

  /** A datasource's own rules, empty for one without; with `withDefaults` those of `_default` behind them. */
  get(
    datasource: string,
    options: CallOptions & { readonly withDefaults?: boolean } = {},
  ): Promise<StoredRule[]> {
    const { withDefaults, ...call } = options;
    const query = { full: withDefaults === true ? '' : undefined };
    return read(this.transport, { operation: 'rules', path: pathOf(datasource), query }, rules, call);
  }

  /**
   * Replaces a datasource's rules (`_default`: those for all). An empty list leaves `_default` in force. Sent exactly
   * once; the Coordinator acts on it in its next runs.
   *
   * @example
   * await druid.rules.set('edits', [{ type: 'loadByPeriod', period: 'P1M' }, { type: 'dropForever' }], { author: 'ada' });
   * @throws DruidRemoteError (400 for rules that Druid does not understand)
   */
  set(datasource: string, list: readonly RetentionRule[], options: AuditOptions = {}): Promise<void> {
    return change(
      this.transport,
      { operation: 'setting of rules', path: pathOf(datasource), body: list },
      options,
    );
  }

  /** Who changed the rules of a datasource, or of any, the newest first. Druid's default: the last week. */
  history(datasource?: string, options: HistoryOptions = {}): Promise<AuditEntry[]> {
    const at = datasource === undefined ? base : pathOf(datasource);
    const call = { operation: 'history of rules', path: `${at}/history`, query: historyQuery(options) };
    return read(this.transport, call, auditEntries, options);
  }
}

function pathOf(datasource: string): string {
  return path`/druid/coordinator/v1/rules/${datasource}`;
}
