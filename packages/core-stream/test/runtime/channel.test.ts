import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHANNEL_CAPACITY, Channel, type StreamElement } from '../../src/runtime/channel.js';
import { RecordWriter } from '../../src/runtime/record-writer.js';

const batch = (values: unknown[]): StreamElement => ({
  type: 'records',
  values,
  timestamps: values.map(() => 0),
});

function drain(channel: Channel): StreamElement[] {
  const elements: StreamElement[] = [];
  for (let element = channel.take(); element !== undefined; element = channel.take()) elements.push(element);
  return elements;
}

describe('channel', () => {
  it('channel invariant 1: elements arrive in the order in which they were put', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(), { nil: 'take' as const })), (operations) => {
        const channel = new Channel();
        const expected: number[] = [];
        for (const operation of operations) {
          if (operation === 'take') {
            const element = channel.take();
            const first = expected.shift();
            expect(element?.type === 'watermark' ? element.timestamp : undefined).toBe(first);
          } else {
            channel.put({ type: 'watermark', timestamp: operation });
            expected.push(operation);
          }
          expect(channel.isEmpty).toBe(expected.length === 0);
        }
      }),
    );
  });

  it('channel invariant 2: is full at its capacity of records; control elements always fit', () => {
    const channel = new Channel();
    channel.put(batch(Array(CHANNEL_CAPACITY - 1).fill(0)));
    expect(channel.hasRoom).toBe(true);
    channel.put({ type: 'barrier', checkpointId: 1 });
    channel.put(batch([0]));
    expect(channel.hasRoom).toBe(false);
    channel.put({ type: 'end' });
    channel.take();
    expect(channel.hasRoom).toBe(true);
    expect(drain(channel).map(({ type }) => type)).toEqual(['barrier', 'records', 'end']);
    expect(channel.hasRoom).toBe(true);
  });
});

describe('record writer', () => {
  it('puts control elements into every channel, after the records that were written before them', () => {
    const channels = [new Channel(), new Channel()];
    const writer = new RecordWriter(channels, (value) => Number(value) % 2, { name: 'Op', subtaskIndex: 0 });
    for (let n = 0; n < 1000; n++) writer.write(n, n);
    writer.broadcast({ type: 'barrier', checkpointId: 1 });
    writer.write(1001, 0);
    writer.flush();
    for (const [index, channel] of channels.entries()) {
      const elements = drain(channel);
      const barrier = elements.findIndex(({ type }) => type === 'barrier');
      const before = elements
        .slice(0, barrier)
        .flatMap((element) => (element.type === 'records' ? element.values : []));
      expect(before).toEqual(Array.from({ length: 500 }, (_, i) => 2 * i + index));
      expect(elements.length - barrier - 1).toBe(index);
    }
  });
});

describe('channel', () => {
  it('tells what waits before the barrier of a checkpoint, and takes nothing', () => {
    const channel = new Channel();
    const barrier = (checkpointId: number): StreamElement => ({ type: 'barrier', checkpointId });
    expect(channel.elementsBefore(1)).toBeUndefined();
    const elements = [batch(['a']), barrier(1), batch(['b']), barrier(2)];
    for (const element of elements) channel.put(element);
    expect(channel.elementsBefore(1)).toEqual(elements.slice(0, 1));
    expect(channel.elementsBefore(2)).toEqual(elements.slice(0, 3));
    expect(channel.elementsBefore(3)).toBeUndefined();
    expect(drain(channel)).toEqual(elements);
    expect(channel.elementsBefore(1)).toBeUndefined();
  });
});
