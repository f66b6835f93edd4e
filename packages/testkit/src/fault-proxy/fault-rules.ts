/** Which request gets which fault. Decisions only. */
import { FaultProxyError } from './fault-proxy-error.js';
import { checkFault, type ProxyFault } from './proxy-fault.js';

/** Which requests a fault is for; all of them when nothing is given. */
export interface RequestMatch {
  /** HTTP method; any when left out. */
  readonly method?: string;
  /** The path without its query: exactly this text, or a pattern. */
  readonly path?: string | RegExp;
  /**
   * Which of the requests that match `method` and `path`, counted from 1 since {@link FaultProxy.on}: one, or several.
   * Default every one.
   */
  readonly nth?: number | readonly number[];
}

/** What `proxy.on` returns. */
export interface FaultRule {
  /** Requests that matched method and path so far, whether or not they got the fault. */
  readonly matched: number;
  /** Takes the rule away; requests under way are not touched. */
  remove(): void;
}

/** A rule with what it remembers between requests. */
export class Rule {
  readonly fault: ProxyFault;
  matched = 0;
  /** `expired-token`: the value that is refused. */
  expired: string | undefined;
  readonly #match: RequestMatch;

  constructor(match: RequestMatch, fault: ProxyFault) {
    checkFault(fault);
    for (const nth of [match.nth ?? 1].flat()) {
      if (Number.isSafeInteger(nth) && nth >= 1) continue;
      throw new FaultProxyError('bad-fault', `'nth' is ${nth}; requests are counted from 1`, {
        details: { fault: fault.type },
      });
    }
    this.fault = fault;
    this.expired = fault.type === 'expired-token' ? fault.expired : undefined;
    this.#match = match;
  }

  /** Counts a request; true if it gets this fault. */
  takes(method: string, path: string, authorization: string | undefined): boolean {
    const { nth } = this.#match;
    if (!matches(this.#match, method, path)) return false;
    this.matched += 1;
    if (nth !== undefined && ![nth].flat().includes(this.matched)) return false;
    if (this.fault.type !== 'expired-token' || authorization === undefined) return true;
    this.expired ??= authorization;
    return this.expired === authorization;
  }
}

/** True for a request that `match` describes, apart from `nth`. */
export function matches({ method, path }: RequestMatch, seenMethod: string, seenPath: string): boolean {
  if (method !== undefined && method.toUpperCase() !== seenMethod) return false;
  if (path === undefined || typeof path === 'string') return path === undefined || path === seenPath;
  return seenPath.search(path) >= 0; // unlike `test`, it does not depend on a global pattern's `lastIndex`
}
