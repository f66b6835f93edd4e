/**
 * How many requests may be under way to one server; the others wait, first come, first served.
 *
 * Invariant 1: never more than `limit` hold a slot of one server.
 * Invariant 2: who gives up waiting takes no slot; a slot given back twice is given back once.
 */
export class ConnectionSlots {
  readonly #limit: number;
  readonly #servers = new Map<string, { taken: number; readonly waiting: Set<() => void> }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves to the function that gives the slot back. Rejects with the signal's reason when `signal` fires first. */
  async take(origin: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const server = this.#servers.get(origin) ?? { taken: 0, waiting: new Set() };
    this.#servers.set(origin, server);
    if (server.taken < this.#limit) {
      server.taken += 1; // invariant 1
    } else {
      // The slot is handed over as it is: who comes in between cannot snatch it.
      await new Promise<void>((resolve, reject) => {
        const onTurn = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = () => {
          server.waiting.delete(onTurn); // invariant 2
          reject(signal.reason as Error);
        };
        server.waiting.add(onTurn);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const [next] = server.waiting;
      if (next === undefined) {
        server.taken -= 1;
        if (server.taken === 0) this.#servers.delete(origin);
      } else {
        server.waiting.delete(next);
        next();
      }
    };
  }
}
