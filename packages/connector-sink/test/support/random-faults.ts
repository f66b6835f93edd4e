import type { FaultProxy, ProxyFault, RequestMatch } from '@millrace/testkit';
import fc from 'fast-check';

const wait = (ms: number) => () => new Promise((resolve) => setTimeout(resolve, ms));

const before: readonly ProxyFault[] = [
  { type: 'reset' },
  { type: 'answer', status: 500 },
  { type: 'html-page', status: 503 },
  { type: 'throttled' },
];
/** The server acts, and the answer is lost or wrong. */
const after: readonly ProxyFault[] = [
  { type: 'reset', handled: true },
  { type: 'answer', status: 500, handled: true },
  { type: 'html-page', status: 503, handled: true },
  { type: 'throttled', handled: true },
];
/** The server answers, and it does not arrive as a whole, or late. */
const within: readonly ProxyFault[] = [
  { type: 'reset-mid-body', afterBytes: 5 },
  { type: 'truncate', afterBytes: 10 },
  { type: 'content-length', difference: 5 },
  { type: 'drip', bytesPerTick: 65_536, tick: wait(30) },
];

/** What a sink asks, and which of so many requests fail. */
const requests: readonly { readonly match: RequestMatch; readonly oneIn: number }[] = [
  { match: { method: 'POST', path: /^\/druid\/indexer\/v1\/(task|supervisor)$/ }, oneIn: 2 },
  { match: { method: 'GET', path: /^\/druid\/(indexer|coordinator)\// }, oneIn: 5 },
  { match: { method: 'POST', path: /^\/druid\/v2/ }, oneIn: 4 },
];

/** Faults of every kind, each at requests that the seed chooses. */
export function injectFaults(proxy: FaultProxy, seed: number): void {
  const faults = [...before, ...after, ...within];
  for (const { match, oneIn } of requests) {
    const chosen = fc.nat(faults.length * oneIn - 1);
    const choices = fc.sample(fc.noBias(fc.array(chosen, { minLength: 2_000, maxLength: 2_000 })), {
      seed,
      numRuns: 1,
    })[0]!;
    for (const [which, fault] of faults.entries()) {
      const nth = choices.flatMap((choice, i) => (choice === which ? [i + 1] : []));
      if (nth.length > 0) proxy.on({ ...match, nth }, fault);
    }
  }
}
