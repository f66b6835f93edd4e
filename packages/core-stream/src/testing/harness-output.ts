import type { OutputTag } from '../functions/functions.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';

/** A record with its event time; `undefined` where it has none. */
export interface HarnessRecord<T> {
  readonly value: T;
  readonly timestamp: number | undefined;
}

/** One thing that came out of a harness. */
export type HarnessElement<R> =
  | { readonly type: 'record'; readonly value: R; readonly timestamp: number | undefined }
  | {
      readonly type: 'side-output';
      readonly tag: string;
      readonly value: unknown;
      readonly timestamp: number | undefined;
    }
  | { readonly type: 'watermark'; readonly timestamp: number }
  | { readonly type: 'idle'; readonly isIdle: boolean };

/** Remembers what comes out of a harness, in order. */
export class HarnessOutput<R> {
  readonly elements: HarnessElement<R>[] = [];

  record(value: R, timestamp: number): void {
    this.elements.push({ type: 'record', value, timestamp: timestampOf(timestamp) });
  }

  sideOutput(tag: string, value: unknown, timestamp: number): void {
    this.elements.push({ type: 'side-output', tag, value, timestamp: timestampOf(timestamp) });
  }

  watermark(timestamp: number): void {
    this.elements.push({ type: 'watermark', timestamp });
  }

  idle(isIdle: boolean): void {
    this.elements.push({ type: 'idle', isIdle });
  }

  records(): HarnessRecord<R>[] {
    return this.elements.flatMap((element) =>
      element.type === 'record' ? [{ value: element.value, timestamp: element.timestamp }] : [],
    );
  }

  sideOutputs<S>(tag: OutputTag<S>): HarnessRecord<S>[] {
    return this.elements.flatMap((element) =>
      element.type === 'side-output' && element.tag === tag.id
        ? [{ value: element.value as S, timestamp: element.timestamp }]
        : [],
    );
  }

  watermarks(): number[] {
    return this.elements.flatMap((element) => (element.type === 'watermark' ? [element.timestamp] : []));
  }

  clear(): void {
    this.elements.length = 0;
  }
}

function timestampOf(timestamp: number): number | undefined {
  return timestamp === MIN_TIMESTAMP ? undefined : timestamp;
}
