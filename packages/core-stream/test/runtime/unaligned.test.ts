import { describe, expect, it } from 'vitest';
import type { SinkWriter } from '../../src/connectors/sink.js';
import type { SegmentContent } from '../../src/checkpoint/segment.js';
import { OperatorMetrics } from '../../src/metrics/operator-metrics.js';
import { ChainOutput } from '../../src/runtime/chain-output.js';
import { SinkOperator } from '../../src/runtime/sink-operator.js';
import type { RestoredRecords } from '../../src/runtime/restored-in-flight.js';
import { turn } from '../support/conditions.js';
import { inputTask } from '../support/input-task.js';

const segment: SegmentContent = {
  bytes: 1,
  indexOffset: 0,
  indexSha256: '',
  rows: 1,
  keyGroups: { start: 0, end: 1 },
  chunks: [Uint8Array.of(7)],
};

describe('a checkpoint that overtakes', () => {
  it('waits in line until it is told to overtake', () => {
    const { task, put, fillOutput, run, inFlight, passedOn } = inputTask(1);
    put(0, 'a', 'b', 1, 'c');
    fillOutput();
    expect(run()).toEqual([]);
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1', 'acknowledge 1']); // input task invariant 5
    expect(inFlight(1)).toEqual(['0: a, b']);
    expect(passedOn().at(-1)).toBe('barrier');
    expect(run()).toEqual(['a', 'b', 'c']);
  });

  it('waits for a barrier, and takes its part as soon as there is one', () => {
    const { task, put, run, inFlight } = inputTask(2);
    task.overtake(1);
    put(0, 'a');
    expect(run()).toEqual(['a']);
    put(0, 'b', 1, 'c');
    put(1, 'x');
    expect(run().slice(0, 1)).toEqual(['snapshot 1']);
    put(1, 'y', 1, 'z');
    expect(run()).toEqual(['acknowledge 1', 'y', 'z']);
    expect(inFlight(1)).toEqual(['0: b', '1: x, y']);
  });

  it('input task invariant 4: has what comes before each barrier, in order, and nothing after it', () => {
    const { task, put, run, inFlight } = inputTask(3);
    put(0, 1, 'after'); // aligned already: nothing in front of it
    put(1, 'p', { at: 5 }, { isIdle: true }, { isIdle: false }, 'q', 1, 'after');
    put(2, 'x');
    task.step();
    task.overtake(1);
    task.step(); // the mail
    task.step();
    put(2, { at: 7 }, 'y', 'end', 1, 'after');
    run();
    expect(inFlight(1)).toEqual([
      '0: ',
      '1: p, watermark 5, idle true, idle false, q',
      '2: x, watermark 7, y', // upstream says the end again
    ]);
  });

  it('reads on all channels once it has its part, also those whose barrier it has read', () => {
    const { task, put, run } = inputTask(2);
    put(0, 1, 'a');
    put(1, 'x');
    expect(run()).toEqual(['x']);
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1', 'a']);
    put(0, 'b');
    put(1, 'y', 1);
    expect(run().sort()).toEqual(['acknowledge 1', 'b', 'y']);
  });

  it('remembers what each channel had said before: its watermark, and that it was idle', () => {
    const { task, put, run, snapshots, inFlight } = inputTask(2);
    put(0, { at: 3 });
    put(1, { isIdle: true });
    run();
    put(0, 'a', 1);
    put(1, 'x', 1);
    task.overtake(1);
    run();
    expect(inFlight(1)).toEqual(['0: a', '1: x']);
    expect(snapshots).toHaveLength(1);
  });

  it('acknowledges when all barriers have come, not before', () => {
    const { task, put, run } = inputTask(2);
    put(0, 'a', 1);
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1', 'a']);
    put(1, 1);
    expect(run()).toEqual(['acknowledge 1']);
  });

  it('stores a record as it is when it is overtaken, whatever becomes of it later', () => {
    const record = { n: 1 };
    const { task, channels, put, run, inFlight } = inputTask(2, {
      operator: { processElement: (value) => void ((value as { n: number }).n = 2) },
    });
    channels[1]!.put({ type: 'records', values: [record], timestamps: [0] });
    put(0, 1);
    task.overtake(1);
    run();
    expect(record.n).toBe(2);
    put(1, 1);
    run();
    expect(JSON.stringify(inFlight(1))).toContain('object'); // one record
  });

  it('takes nothing for a job that stores nothing, and passes the barrier on', () => {
    const { task, put, fillOutput, run, passedOn } = inputTask(1, { storesState: false });
    put(0, () => 'not plain data', 1);
    fillOutput();
    task.overtake(1);
    expect(run()).toEqual(['acknowledge 1']);
    expect(passedOn().at(-1)).toBe('barrier');
  });

  it('is taken once: being told again changes nothing', () => {
    const { task, put, run } = inputTask(1);
    put(0, 'a', 1);
    task.overtake(1);
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1', 'acknowledge 1', 'a']);
    task.overtake(1);
    put(0, 'b', 2);
    expect(run()).toEqual(['b', 'snapshot 2', 'acknowledge 2']);
  });

  it('goes through a task that has ended', () => {
    const { task, put, fillOutput, run, inFlight } = inputTask(1);
    put(0, 'a', 'end', 1);
    fillOutput();
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1', 'acknowledge 1']);
    expect(inFlight(1)).toEqual(['0: a']);
  });
});

describe('a checkpoint that is aborted', () => {
  it('releases the channels that wait for it, and ignores its late barriers', () => {
    const { task, put, run } = inputTask(2);
    put(0, 1, 'a');
    expect(run()).toEqual([]);
    task.abortCheckpoint(1);
    expect(run()).toEqual(['a']);
    put(1, 1, 'x');
    expect(run()).toEqual(['x']);
    put(0, 2);
    put(1, 2);
    expect(run()).toEqual(['snapshot 2', 'acknowledge 2']);
  });

  it('leaves a newer one alone, in whatever order their barriers come', () => {
    const { task, put, run } = inputTask(2);
    task.abortCheckpoint(1);
    put(0, 2, 'a');
    put(1, 'x', 1, 'y', 2);
    expect(run()).toEqual(['x', 'y', 'snapshot 2', 'acknowledge 2', 'a']);
  });

  it('does not overtake any more', () => {
    const { task, put, fillOutput, run } = inputTask(1);
    put(0, 'a', 1);
    fillOutput();
    task.overtake(1);
    task.abortCheckpoint(1);
    expect(run()).toEqual([]);
    task.overtake(1);
    expect(run()).toEqual([]);
  });

  it('task snapshot invariant 2: hands out the rows that were taken for it while barriers were still to come', () => {
    let rows: SegmentContent | undefined = segment;
    const taking = () => {
      const taken = rows;
      rows = undefined;
      return taken;
    };
    const { task, put, run, snapshots } = inputTask(2, { rows: taking });
    put(0, 1);
    task.overtake(1);
    run();
    expect(snapshots).toEqual([]);
    task.abortCheckpoint(1);
    expect(run()).toEqual(['acknowledge 1']);
    expect(snapshots[0]!.operators.map((operator) => operator.rows)).toEqual([segment]);
    put(1, 'x', 1);
    expect(run()).toEqual(['x']);
  });

  it('gives way to a newer one whose barriers come although nobody has aborted it', () => {
    const { task, put, run, snapshots } = inputTask(2);
    put(0, 1, 2);
    put(1, 'x');
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1', 'x', 'acknowledge 1']);
    put(1, 1, 2);
    expect(run()).toEqual(['snapshot 2', 'acknowledge 2']);
    expect(snapshots).toHaveLength(2);
  });
});

describe('a checkpoint that a task declines', () => {
  const poison = () => undefined;

  it('input task invariant 4: is one with a record that is not plain data; nothing has been taken', () => {
    let snapshots = 0;
    const { task, put, run, declined, passedOn } = inputTask(2, { rows: () => void snapshots++ });
    put(0, 'a', poison, 1, 'b');
    put(1, 'x');
    task.overtake(1);
    expect(run()[0]).toBe('decline 1');
    expect(String(declined[0]?.error)).toMatch(
      /'Op' \(subtask 0\) failed while storing for checkpoint 1, which has overtaken it on its way from 'up', the record .*Cannot encode function at 'record'/,
    );
    expect(snapshots).toBe(0);
    expect(passedOn()).not.toContain('barrier');
    put(1, 1, 'y');
    expect(run()).toContain('y');
  });

  it('hands out the rows that it has taken, where such a record comes late', () => {
    const { task, put, run, snapshots } = inputTask(2, { rows: () => segment });
    put(0, 1);
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1']);
    put(1, poison);
    expect(run()).toEqual(['decline 1', 'acknowledge 1', String(poison)]);
    expect(snapshots[0]!.operators[0]!.rows).toBe(segment);
  });

  it('is aligned next time, and then stores no record', () => {
    const { put, run } = inputTask(1);
    put(0, poison, 1);
    expect(run()).toEqual([String(poison), 'snapshot 1', 'acknowledge 1']);
  });

  it('task snapshot invariant 1: is one whose state cannot be encoded; its rows stay', () => {
    let taken = 0;
    let state: unknown = poison;
    const { put, run, declined, passedOn } = inputTask(1, {
      operator: { snapshotState: () => state },
      rows: () => {
        taken++;
        return segment;
      },
    });
    put(0, 1);
    expect(run()).toEqual(['decline 1']);
    expect(String(declined[0]?.error)).toContain('encoding its state for checkpoint 1');
    expect([taken, passedOn()]).toEqual([0, []]);
    state = 1;
    put(0, 'a', 2);
    expect(run()).toEqual(['a', 'acknowledge 2']);
    expect(taken).toBe(1);
  });

  it('task snapshot invariant 1: is one with a row that cannot be encoded; no rows are taken', () => {
    let taken = 0;
    let isPlain = false;
    const { put, run, declined, passedOn } = inputTask(1, {
      encodeRows: () => {
        if (!isPlain) throw new Error('not plain');
      },
      rows: () => {
        taken++;
        return segment;
      },
    });
    put(0, 1);
    expect(run()).toEqual(['snapshot 1', 'decline 1']);
    expect(String(declined[0]?.error)).toContain('encoding its state for checkpoint 1: not plain');
    expect([taken, passedOn()]).toEqual([0, []]);
    isPlain = true;
    put(0, 2);
    expect(run()).toEqual(['snapshot 2', 'acknowledge 2']);
    expect(taken).toBe(1);
  });

  it('fails the job where rows are lost while they are taken', () => {
    const { task, put } = inputTask(1, {
      rows: () => {
        throw new Error('the store is gone');
      },
    });
    put(0, 1);
    expect(() => task.step()).toThrow(
      /'Op' \(subtask 0\) failed while taking checkpoint 1: the store is gone/,
    );
  });
});

describe('a checkpoint and a sink', () => {
  async function withSink(writer: Partial<SinkWriter<unknown, unknown, unknown>>) {
    const rest = { write: () => undefined, flush: () => undefined, close: () => undefined };
    const sink = new SinkOperator(
      () => Promise.resolve({ ...rest, ...writer }),
      new ChainOutput(new OperatorMetrics()),
    );
    await sink.createWriter();
    return inputTask(2, { sink, rows: () => segment });
  }

  it('input task invariant 5: overtakes nothing while the sink is at work, and does when it has ended', async () => {
    let release = () => {};
    const wait = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    const { task, put, run } = await withSink({ backPressure: () => (asked++ === 0 ? wait : undefined) });
    put(0, 'a', 'b', 1);
    task.step();
    task.overtake(1);
    expect(run()).toEqual(['a']);
    release();
    await turn();
    expect(run()).toEqual(['snapshot 1']);
    await turn();
    expect(run()).toEqual(['b']);
    put(1, 1);
    expect(run()).toEqual(['acknowledge 1']);
  });

  it('sees barriers that come while the sink is full: they need no sink', async () => {
    let isFull = false;
    const { task, put, run } = await withSink({
      backPressure: () => (isFull ? new Promise(() => {}) : undefined),
    });
    put(0, 'a', 1);
    task.overtake(1);
    expect(run()).toEqual(['snapshot 1']);
    isFull = true;
    await turn();
    expect(run()).toEqual(['a']);
    put(1, 'x', 1);
    expect(run()).toEqual(['acknowledge 1']);
  });

  it('has done something when it declines while the sink is full: other tasks have mail then', async () => {
    let isFull = false;
    const { task, put, run } = await withSink({
      backPressure: () => (isFull ? new Promise(() => {}) : undefined),
    });
    put(0, 'a', 1);
    task.overtake(1);
    run();
    isFull = true;
    await turn();
    run();
    put(1, () => undefined, 1);
    expect(task.step()).toBe(true);
    expect(run()).toEqual(['decline 1', 'acknowledge 1']);
  });

  it('hands out what the sink has prepared for a checkpoint that was aborted meanwhile', async () => {
    const { task, put, run, snapshots } = await withSink({
      prepareCommit: () => Promise.resolve(['prepared']),
    });
    put(0, 1);
    put(1, 1);
    expect(run()).toEqual(['snapshot 1']);
    task.abortCheckpoint(1);
    await turn();
    expect(run()).toEqual(['acknowledge 1']);
    expect(snapshots[0]!.operators[1]!.committables).toEqual(['prepared']);
  });

  it('hands out what the sink has prepared also where its state cannot be encoded', async () => {
    const { put, run, snapshots, declined } = await withSink({
      prepareCommit: () => Promise.resolve(['prepared']),
      snapshotState: () => [() => undefined],
    });
    put(0, 1);
    put(1, 1);
    run();
    await turn();
    expect(run()).toEqual(['decline 1', 'acknowledge 1']);
    expect(declined).toHaveLength(1);
    expect(snapshots[0]!.operators.map(({ committables, rows }) => [committables, rows])).toEqual([
      [[], segment],
      [['prepared'], segment],
    ]);
  });
});

describe('records that a restore has brought', () => {
  const restored = (...batches: string[][]): RestoredRecords[] => [
    {
      name: {
        edge: { from: 'up', outputTag: undefined, inputIndex: 0, occurrence: 0 },
        partitioning: 'hash',
        from: undefined,
      },
      inputIndex: 0,
      batches: batches.map((values) => ({ type: 'records', values, timestamps: values.map(() => 0) })),
    },
  ];

  it('input task invariant 3: come before everything else, watermarks and barriers included', () => {
    const { put, run } = inputTask(1, { restoredRecords: restored(['a', 'b'], ['c']) });
    put(0, { at: 9 }, 1, 'x');
    expect(run()).toEqual(['a', 'b', 'c', 'watermark 9', 'snapshot 1', 'acknowledge 1', 'x']);
  });

  it('are in flight again where a checkpoint overtakes them', () => {
    const { task, put, run, fillOutput, inFlight, passedOn } = inputTask(1, {
      restoredRecords: restored(['a', 'b'], ['c']),
    });
    task.step();
    put(0, 'x', 1);
    fillOutput();
    task.overtake(1);
    run();
    expect(inFlight(1)).toEqual(['restored: c', '0: x']);
    passedOn();
    expect(run()).toEqual(['c', 'x']);
  });
});
