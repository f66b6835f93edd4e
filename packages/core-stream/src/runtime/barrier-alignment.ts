/**
 * The barriers of an input task's channels.
 *
 * Role: knows which channels are not read because their barrier is there. Boundary: takes nothing from channels and no
 * checkpoint; the task does.
 *
 * Invariants
 * 1. After a channel's barrier nothing is read from it until the barriers of all channels are there, or the checkpoint is
 *    over: taken out of turn, declined or aborted.
 * 2. A checkpoint is over once. Barriers of it, and of all before it, count for nothing then, whenever and wherever they come.
 * 3. The barrier of a newer checkpoint ends an older one.
 */
export class BarrierAlignment {
  readonly #isBlocked: boolean[];
  #count = 0;
  /** The checkpoint that is being aligned. */
  #current: number | undefined;
  /** This one and all before it are over. */
  #over = 0;

  constructor(channelCount: number) {
    this.#isBlocked = Array.from({ length: channelCount }, () => false);
  }

  isBlocked(channel: number): boolean {
    return this.#isBlocked[channel]!; // invariant 1
  }

  /** Whether the channel's barrier of this checkpoint has been read. */
  hasBarrier(channel: number, checkpointId: number): boolean {
    return this.#current === checkpointId && this.#isBlocked[channel]!;
  }

  isOver(checkpointId: number): boolean {
    return checkpointId <= this.#over;
  }

  /** Returns whether the checkpoint is to be taken now: all barriers are there. */
  onBarrier(channel: number, checkpointId: number): boolean {
    if (this.isOver(checkpointId) || (this.#current ?? 0) > checkpointId) return false; // invariant 2
    if (this.#current !== checkpointId) {
      this.#release(); // invariant 3
      this.#current = checkpointId;
    }
    this.#isBlocked[channel] = true;
    if (++this.#count < this.#isBlocked.length) return false;
    this.end(checkpointId);
    return true;
  }

  /** The checkpoint is over: taken, or never to be. */
  end(checkpointId: number): void {
    if (checkpointId > this.#over) this.#over = checkpointId;
    if (this.#current !== undefined && this.#current <= checkpointId) this.#release();
  }

  #release(): void {
    this.#current = undefined;
    this.#count = 0;
    this.#isBlocked.fill(false);
  }
}
