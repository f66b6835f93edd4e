/** What all caches of a job may hold together. */
export class CacheBudget {
  readonly maxBytes: number;
  usedBytes = 0;
  readonly caches = new Set<Evictable>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Evicts from the fullest cache that can give something up, until `bytes` more are within the budget, or nothing is left that can go. */
  makeRoom(bytes: number): void {
    while (this.usedBytes + bytes > this.maxBytes) {
      const fullestFirst = [...this.caches].sort((a, b) => b.cachedBytes - a.cachedBytes);
      if (!fullestFirst.some((cache) => cache.evict())) return;
    }
  }
}

/** A cache that gives something up when others need room. */
export interface Evictable {
  readonly cachedBytes: number;
  /** Evicts a part of it; `false` where nothing can go. */
  evict(): boolean;
}
