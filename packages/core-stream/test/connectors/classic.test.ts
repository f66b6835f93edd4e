import { describe, expect, it } from 'vitest';
import { StreamExecutionEnvironment, type EnvironmentOptions, type SourceFunction } from '../../src/index.js';
import { ClassicSource } from '../../src/connectors/classic-source.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until } from '../support/conditions.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';

function environment(options: EnvironmentOptions = {}) {
  const clock = new ManualClock();
  return { clock, env: StreamExecutionEnvironment.getExecutionEnvironment({ clock, ...options }) };
}

describe('source functions', () => {
  it('open, collect until they say false, close', async () => {
    const log: string[] = [];
    let n = 0;
    const { env } = environment();
    env
      .addSource<number>({
        open: ({ subtaskIndex, parallelism }) => void log.push(`open ${subtaskIndex}/${parallelism}`),
        collect: (out) => {
          log.push('collect');
          out.collect(n++, n * 10);
          out.collect(n++, n * 10);
          return n < 6;
        },
        close: () => void log.push('close source'),
      })
      .addSink({
        open: () => void log.push('open sink'),
        emit: (value, { timestamp }) => void log.push(`${value}@${String(timestamp)}`),
        close: () => void log.push('close sink'),
      });
    await env.execute('classic');
    expect(log).toEqual([
      'open sink',
      'open 0/1',
      ...['collect', '0@10', '1@20', 'collect', '2@30', '3@40', 'collect', '4@50', '5@60'],
      'close source',
      'close sink',
    ]);
  });

  it('have no end unless they promise one', () => {
    const collect = () => false;
    expect(new ClassicSource({ collect }).boundedness).toBe('unbounded');
    expect(new ClassicSource({ collect, boundedness: 'bounded' }).boundedness).toBe('bounded');
  });

  it('may wait in open, collect and close; nothing overlaps', async () => {
    const { clock, env } = environment();
    const log: string[] = [];
    let busy = 0;
    const slowly = async (what: string) => {
      expect(++busy).toBe(1);
      log.push(what);
      await quiet(3);
      busy--;
    };
    let n = 0;
    const sink = new CollectingSink<number>();
    env
      .addSource<number>({
        open: () => slowly('open'),
        collect: async (out) => {
          await slowly('collect');
          out.collect(n++);
          return n < 3;
        },
        close: () => slowly('close'),
      })
      .sinkTo(sink);
    await drive(env.executeAsync('slow'), clock);
    expect(log).toEqual(['open', 'collect', 'collect', 'collect', 'close']);
    expect(sink.values).toEqual([0, 1, 2]);
  });

  it('end at once where the first collect says false', async () => {
    const { env } = environment();
    const sink = new CollectingSink<number>();
    env.addSource<number>({ collect: () => false }).sinkTo(sink);
    await env.execute('nothing');
    expect(sink).toMatchObject({ values: [], closed: 1 });
  });

  it('are not asked for more while the sink is full', async () => {
    const { clock, env } = environment();
    const gate = createGate();
    let n = 0;
    env
      .addSource<number>({ collect: (out) => (out.collect(n++), n < 10) })
      .addSink({ emit: (value) => (value === 3 ? gate.opened : undefined) });
    const job = env.executeAsync('full');
    await quiet();
    expect(n).toBe(4);
    gate.open();
    await drive(job, clock);
    expect(n).toBe(10);
  });

  it.each(['open', 'collect', 'rejected collect', 'later collect'])(
    'that fail in %s fail the job, named, and are closed',
    async (where) => {
      const { clock, env } = environment();
      let closed = 0;
      let n = 0;
      env
        .addSource<number>({
          open: () => (where === 'open' ? Promise.reject(new Error('boom')) : undefined),
          collect: (out) => {
            if (where === 'collect' || (where === 'later collect' && n === 3)) throw new Error('boom');
            if (where === 'rejected collect') return Promise.reject(new Error('boom'));
            out.collect(n++);
            return true;
          },
          close: () => void closed++,
        })
        .name('Feed')
        .sinkTo(new CollectingSink<number>());
      const error = await failureOf(drive(env.executeAsync('fails'), clock));
      expect(error).toMatchObject({ code: 'MILLRACE_OPERATOR', details: { operator: 'Feed' } });
      expect(error.message).toContain('boom');
      expect(closed).toBe(1);
    },
  );

  it('are closed after they have opened, not while', async () => {
    const { env } = environment();
    const log: string[] = [];
    const gate = createGate();
    env
      .addSource<number>({
        open: async () => {
          log.push('opening');
          await gate.opened;
          log.push('open');
        },
        collect: () => false,
        close: () => void log.push('close'),
      })
      .sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('cancelled early');
    await until(() => log.length === 1);
    job.cancel();
    await quiet();
    gate.open();
    await failureOf(job.result);
    expect(log).toEqual(['opening', 'open', 'close']);
  });

  it('run with a parallelism of 1 in an environment of more', async () => {
    const { env } = environment({ parallelism: 4 });
    const sink = new CollectingSink<number>();
    let n = 0;
    env.addSource<number>({ collect: (out) => (out.collect(n++), n < 8) }).sinkTo(sink);
    await env.execute('one');
    expect(sink.values.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(sink.bySubtask.size).toBe(4);
  });
});

describe('source functions with checkpoints', () => {
  /** Counts up to `end`; its position is an object that it changes. */
  function counter(
    end: number,
    wait: (n: number) => Promise<void> | undefined,
  ): SourceFunction<number> & { log: string[] } {
    const position = { next: 0 };
    const log: string[] = [];
    return {
      log,
      open: () => void log.push('open'),
      restoreState: (state) => {
        log.push(`restore ${JSON.stringify(state)}`);
        position.next = (state as { next: number }).next;
      },
      snapshotState: () => position,
      collect: (out) => {
        const n = position.next++;
        const waiting = wait(n);
        if (waiting === undefined) {
          out.collect(n);
          return position.next < end;
        }
        out.collect(n);
        return waiting.then(() => position.next < end);
      },
    };
  }

  it('begin where the restored checkpoint was', async () => {
    const { clock } = environment();
    const storage = new MemoryStorage();
    const gate = createGate();
    const collected: number[] = [];
    const start = (source: SourceFunction<number>) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env.addSource(source).addSink({ emit: (n) => void collected.push(n) });
      return env.executeAsync('positions');
    };
    const first = counter(10, (n) => (n === 4 ? gate.opened : undefined));
    const job = start(first);
    await until(() => collected.length === 4);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    job.cancel();
    gate.open();
    await failureOf(job.result);
    const second = counter(10, () => undefined);
    await drive(start(second), clock);
    expect(first.log).toEqual(['open']);
    expect(second.log).toEqual(['open', 'restore {"next":4}']);
    // The record of the collect that had not ended was not handed on before the checkpoint: it is read once, after it.
    expect(collected).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('lose nothing when a checkpoint comes between the end of a collect and the next poll', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { clock } = environment();
      const storage = new MemoryStorage();
      const start = (collected: number[], source: SourceFunction<number>) => {
        const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
        env.enableCheckpointing({ intervalMs: 10, storage });
        env.addSource(source).addSink({ emit: (n) => void collected.push(n) });
        return env.executeAsync('positions');
      };
      const before: number[] = [];
      const gates = Array.from({ length: 6 }, () => createGate());
      const job = start(
        before,
        counter(6, (n) => gates[n]?.opened),
      );
      gates[0]?.open();
      gates[1]?.open();
      await until(() => before.length === 2);
      // The collect ends and the checkpoint is triggered within a few microtasks of each other, in either order.
      gates[2]?.open();
      for (let i = 0; i < turns; i++) await Promise.resolve();
      clock.advance(10);
      await until(() => storage.lastId === 1);
      job.cancel();
      gates.forEach(({ open }) => open());
      await failureOf(job.result);
      const after: number[] = [];
      await drive(
        start(
          after,
          counter(6, () => undefined),
        ),
        clock,
      );
      const first = after[0] ?? 6;
      expect(after).toEqual([2, 3, 4, 5].slice(first - 2));
      expect(before.slice(0, first)).toEqual([0, 1, 2].slice(0, first));
      expect(before.length).toBeGreaterThanOrEqual(first);
    }
  });

  it('are not asked again by a restored job after they have said false, whenever the checkpoint came', async () => {
    for (const isAsync of [false, true]) {
      for (let turns = 0; turns < 12; turns++) {
        const { clock } = environment();
        const storage = new MemoryStorage();
        const collected: number[] = [];
        const gate = createGate();
        const start = (source: SourceFunction<number>, isHeld: boolean) => {
          const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
          env.enableCheckpointing({ intervalMs: 10, storage });
          // The last record holds its sink up: a checkpoint is triggered while the task cannot be polled again.
          env.addSource(source).addSink({
            emit(n) {
              collected.push(n);
              return isHeld && n === 2 ? gate.opened : undefined;
            },
          });
          return env.executeAsync('ends');
        };
        const waits = () => (isAsync ? Promise.resolve() : undefined);
        const job = start(counter(3, waits), true);
        await until(() => collected.length === 3);
        for (let i = 0; i < turns; i++) await Promise.resolve();
        storage.afterWrite = () => {
          throw new Error('killed');
        };
        clock.advance(10);
        gate.open();
        await failureOf(job.result);
        storage.afterWrite = () => undefined;
        await drive(start(counter(3, waits), false), clock);
        expect(collected).toEqual([0, 1, 2]);
      }
    }
  });

  it('start from the beginning without snapshotState: at least once', async () => {
    const { clock } = environment();
    const storage = new MemoryStorage();
    const collected: number[] = [];
    const start = (isFirst: boolean) => {
      let n = 0;
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env
        .addSource<number>({
          collect: (out) => {
            if (isFirst && n === 2) return new Promise(() => undefined);
            out.collect(n++);
            return n < 4;
          },
        })
        .addSink({ emit: (value) => void collected.push(value) });
      return env.executeAsync('at least once');
    };
    const job = start(true);
    await until(() => collected.length === 2);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    job.cancel();
    await failureOf(job.result);
    await drive(start(false), clock);
    expect(collected).toEqual([0, 1, 0, 1, 2, 3]);
  });
});

describe('sink functions', () => {
  it('hold a checkpoint back until every promise of emit is resolved', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const gate = createGate();
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromCollection([1, 2, 3]).addSink({ emit: () => gate.opened });
    const job = env.executeAsync('waits');
    await quiet();
    clock.advance(10);
    await quiet();
    expect(storage.lastId).toBeUndefined();
    gate.open();
    await drive(job, clock);
    expect(storage.lastId).toBeDefined();
  });

  it('that reject fail the job with the sink’s name', async () => {
    const { clock, env } = environment();
    env
      .fromCollection([1, 2, 3])
      .addSink({ emit: () => Promise.reject(new Error('refused')) })
      .name('Api');
    const error = await failureOf(drive(env.executeAsync('rejects'), clock));
    expect(error.message).toContain("'Api' (subtask 0) failed while waiting for room: refused");
  });

  it('are closed once, also when open fails', async () => {
    const { clock, env } = environment();
    let closed = 0;
    env.fromCollection([1]).addSink({
      open: () => {
        throw new Error('no way in');
      },
      emit: () => undefined,
      close: () => void closed++,
    });
    expect((await failureOf(drive(env.executeAsync('open fails'), clock))).message).toContain('no way in');
    expect(closed).toBe(1);
  });
});

describe('print', () => {
  const print = async (parallelism: number, prefix: string | undefined, values: readonly unknown[]) => {
    const lines: string[] = [];
    const { env } = environment({ parallelism, printTarget: { write: (text) => lines.push(text) } });
    env.fromCollection(values).print(prefix);
    await env.execute('print');
    return lines;
  };

  it('writes a line per record: strings as they are, everything else as JSON', async () => {
    expect(await print(1, undefined, ['text', { a: 1n }, [1], undefined, null])).toEqual([
      'text\n',
      '{"a":"1n"}\n',
      '[1]\n',
      'undefined\n',
      'null\n',
    ]);
  });

  it('puts the prefix and, with more than one subtask, its number before the record, as Flink does', async () => {
    expect(await print(1, 'debug', ['x'])).toEqual(['debug> x\n']);
    expect(await print(2, 'debug', ['x', 'y'])).toEqual(['debug:1> x\n', 'debug:2> y\n']);
    expect(await print(2, undefined, ['x', 'y'])).toEqual(['1> x\n', '2> y\n']);
  });
});
