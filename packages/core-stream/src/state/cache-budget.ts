/** What all caches of a job may hold together. */
export class CacheBudget {
  readonly maxBytes: number;
  usedBytes = 0;
  readonly caches = new Set<Evictable>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Evicts from the fullest cache until `bytes` more are within the budget, or nothing is left that can go. */
  makeRoom(bytes: number): void {
    while (this.usedBytes + bytes > this.maxBytes) {
      let fullest: Evictable | undefined;
      for (const cache of this.caches) {
        if (fullest === undefined || cache.cachedBytes > fullest.cachedBytes) fullest = cache;
      }
      if (fullest?.evict() !== true) return;
    }
  }
}

/** A cache that gives something up when others need room. */
export interface Evictable {
  /** What can be given up. */
  readonly cachedBytes: number;
  /** Evicts a part of it; `false` where nothing can go. */
  evict(): boolean;
}
