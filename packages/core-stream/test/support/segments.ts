import type { SegmentRef } from '../../src/checkpoint/checkpoint-data.js';
import { mergeSegments } from '../../src/checkpoint/segment-merge.js';
import type { SegmentBuilder } from '../../src/checkpoint/segment.js';

/** The segments of one operator, in memory. */
export class Segments {
  readonly location = 'memory';
  readonly #bytes = new Map<string, Uint8Array>();
  refs: SegmentRef[] = [];
  #next = 0;

  async putSegment(id: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const all: Uint8Array[] = [];
    for await (const chunk of chunks) all.push(Uint8Array.from(chunk));
    this.#bytes.set(id, Buffer.concat(all));
  }

  readSegment(id: string, { offset, length }: { offset: number; length: number }): Promise<Uint8Array> {
    return Promise.resolve(this.#bytes.get(id)!.subarray(offset, offset + length));
  }

  async add(builder: SegmentBuilder): Promise<number> {
    const content = builder.build();
    if (content === undefined) return 0;
    const { chunks, ...described } = content;
    const id = `s${this.#next++}`;
    await this.putSegment(id, chunks);
    this.refs.push({ id, ...described });
    return described.rows;
  }

  /** Merges adjacent ones, chosen by two numbers. */
  async compact(from: number, count: number): Promise<void> {
    const start = from % Math.max(1, this.refs.length);
    const segments = this.refs.slice(start, start + 1 + count);
    if (segments.length === 0) return;
    const id = `s${this.#next++}`;
    const merged = await mergeSegments({ storage: this, segments, id, dropsRemoved: start === 0 });
    this.refs.splice(start, segments.length, ...(merged === undefined ? [] : [merged]));
  }
}
