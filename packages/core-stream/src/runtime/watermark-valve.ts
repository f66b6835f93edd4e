/**
 * Merges the watermarks of a subtask's input channels.
 *
 * Invariants
 * 1. The watermark is the minimum over the channels that are not idle, and never goes back.
 * 2. When all channels are idle the subtask is idle; its watermark does not advance.
 * 3. The watermark +∞ means that all channels have ended. A channel that has ended counts neither as idle nor as active:
 *    it holds nothing back, and its end is not that of channels that are only idle.
 */
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';

export interface ValveOutput {
  onWatermark(timestamp: number): void;
  onIdle(isIdle: boolean): void;
}

export class WatermarkValve {
  readonly #watermarks: number[];
  readonly #idle: boolean[];
  readonly #output: ValveOutput;
  #watermark = MIN_TIMESTAMP;
  #isIdle = false;

  constructor(channelCount: number, output: ValveOutput) {
    this.#watermarks = Array.from({ length: channelCount }, () => MIN_TIMESTAMP);
    this.#idle = Array.from({ length: channelCount }, () => false);
    this.#output = output;
  }

  /** Goes on from a restored watermark: what was late before is late again, whatever the channels have reached. */
  restoreWatermark(timestamp: number): void {
    if (timestamp <= this.#watermark) return;
    this.#watermark = timestamp;
    this.#output.onWatermark(timestamp);
  }

  watermark(channel: number, timestamp: number): void {
    if (timestamp <= this.#watermarks[channel]!) return;
    this.#watermarks[channel] = timestamp;
    this.#update();
  }

  idle(channel: number, isIdle: boolean): void {
    this.#idle[channel] = isIdle;
    this.#update();
  }

  /** What a channel has said. */
  channelState(channel: number): { readonly watermark: number; readonly isIdle: boolean } {
    return { watermark: this.#watermarks[channel]!, isIdle: this.#idle[channel]! };
  }

  #update(): void {
    let minimum = MAX_WATERMARK;
    let active = 0;
    let ended = 0;
    for (let i = 0; i < this.#watermarks.length; i++) {
      const watermark = this.#watermarks[i]!;
      if (watermark === MAX_WATERMARK) ended++;
      else if (!this.#idle[i]) {
        active++;
        if (watermark < minimum) minimum = watermark;
      }
    }
    const isIdle = active === 0 && ended < this.#watermarks.length; // invariants 2 and 3
    if (isIdle !== this.#isIdle) {
      this.#isIdle = isIdle;
      this.#output.onIdle(isIdle);
    }
    if (!isIdle && minimum > this.#watermark) {
      this.#watermark = minimum; // invariant 1
      this.#output.onWatermark(minimum);
    }
  }
}
