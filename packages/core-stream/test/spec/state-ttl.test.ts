/** SPEC.md, "State TTL": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import {
  ListStateDescriptor,
  MapStateDescriptor,
  ValueStateDescriptor,
  type DataStream,
  type StateTtlConfig,
} from '../../src/index.js';
import { ManualClock, OperatorHarness } from '../../src/testing/index.js';
import { bytesOf } from '../support/stored-state.js';

type Command = 'read' | { readonly write: string };

/** Reads or writes the value of the one key. */
const value = (ttl: StateTtlConfig) => (commands: DataStream<Command>) =>
  commands
    .keyBy(() => 'key')
    .process<string>((context) => {
      const state = context.getState(new ValueStateDescriptor<string>('value', { ttl }));
      return {
        processElement(command, _context, out) {
          if (command === 'read') out.collect(state.value() ?? 'nothing');
          else state.update(command.write);
        },
      };
    });

describe('state with a TTL', () => {
  it('S1: state is gone as soon as its TTL has passed since it was written', async () => {
    const harness = await OperatorHarness.of(value({ ttlMs: 100 }));
    harness.push({ write: 'a' });
    harness.advanceProcessingTime(50);
    harness.push('read');
    harness.advanceProcessingTime(49);
    harness.push('read');
    harness.push({ write: 'b' });
    harness.advanceProcessingTime(99);
    harness.push('read');
    harness.advanceProcessingTime(1);
    harness.push('read');
    expect(harness.values()).toEqual(['a', 'a', 'b', 'nothing']);
  });

  it('S2: reading makes state young again only where the TTL says so', async () => {
    const harness = await OperatorHarness.of(value({ ttlMs: 100, updateType: 'on-read-and-write' }));
    harness.push({ write: 'a' });
    for (let i = 0; i < 5; i++) {
      harness.advanceProcessingTime(99);
      harness.push('read');
    }
    harness.advanceProcessingTime(100);
    harness.push('read');
    expect(harness.values()).toEqual(['a', 'a', 'a', 'a', 'a', 'nothing']);
  });

  it('S3: in event time the watermark makes state age, not the clock', async () => {
    const harness = await OperatorHarness.of(value({ ttlMs: 100, timeDomain: 'event-time' }));
    harness.watermark(1_000);
    harness.push({ write: 'a' });
    harness.advanceProcessingTime(10_000);
    harness.watermark(1_099);
    harness.push('read');
    harness.watermark(1_100);
    harness.push('read');
    expect(harness.values()).toEqual(['a', 'nothing']);
  });

  it('S4: elements of a list and entries of a map age one by one', async () => {
    const harness = await OperatorHarness.of((names: DataStream<string>) =>
      names
        .keyBy(() => 'key')
        .process<string>((context) => {
          const ttl = { ttlMs: 100 };
          const list = context.getListState(new ListStateDescriptor<string>('list', { ttl }));
          const map = context.getMapState(new MapStateDescriptor<string, number>('map', { ttl }));
          return {
            processElement(name, _context, out) {
              if (name !== '') {
                list.add(name);
                map.put(name, 1);
              }
              out.collect(`${list.get().join('')}/${[...map.keys()].join('')}`);
            },
          };
        }),
    );
    harness.push('a');
    harness.advanceProcessingTime(60);
    harness.push('b');
    harness.advanceProcessingTime(40);
    harness.push('');
    harness.advanceProcessingTime(60);
    harness.push('');
    expect(harness.values()).toEqual(['a/a', 'ab/ab', 'b/b', '/']);
  });

  it.each([
    [1, 3],
    [3, 1],
  ])('S5: state goes on ageing over a restore, from parallelism %i at %i', async (before, after) => {
    const clock = new ManualClock();
    const first = await OperatorHarness.of(value({ ttlMs: 100 }), { clock, parallelism: before });
    first.push({ write: 'a' });
    first.advanceProcessingTime(60);
    const restored = first.snapshot();
    first.advanceProcessingTime(39);
    const second = await OperatorHarness.of(value({ ttlMs: 100 }), { clock, parallelism: after, restored });
    second.push('read');
    second.advanceProcessingTime(1);
    second.push('read');
    expect(second.values()).toEqual(['a', 'nothing']);
  });

  it('S6: what has expired goes from checkpoints too', async () => {
    const size = async (ageMs: number) => {
      const harness = await OperatorHarness.of(value({ ttlMs: 100 }));
      harness.push({ write: 'x'.repeat(1_000) });
      harness.advanceProcessingTime(ageMs);
      return bytesOf(harness.snapshot());
    };
    expect(await size(99)).toBeGreaterThan(1_000);
    expect(await size(100)).toBeLessThan(1_000);
  });
});
