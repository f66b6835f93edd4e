import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { describe, expectTypeOf, it } from 'vitest';
import {
  DataGeneratorSource,
  FileSource,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type CsvRecord,
  type DataStream,
  type SingleOutputStreamOperator,
  type InvalidRecord,
} from '../../src/index.js';

interface Order {
  readonly id: string;
  readonly price: number;
}
interface Bad {
  readonly line: number | undefined;
  readonly reason: string;
}

const env = StreamExecutionEnvironment.getExecutionEnvironment();
const orders = Readable.from([]) as AsyncIterable<Order>;
const webOrders = new ReadableStream<Order>();
const toOrder = (value: unknown) => value as Order;
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

describe('types of sources', () => {
  it('of generated records come from the function', () => {
    expectTypeOf(env.fromSequence(1, 3)).toEqualTypeOf<SingleOutputStreamOperator<number>>();
    const source = new DataGeneratorSource((n) => ({ id: String(n), price: n }), 5, { splits: 2 });
    expectTypeOf(env.addSource(source)).toExtend<DataStream<Order>>();
    // @ts-expect-error a rate is a number
    never(() => new DataGeneratorSource((n) => n, 5, { recordsPerSecond: '5' }));
  });

  it('of files come from the parser, and from what becomes of invalid records', () => {
    expectTypeOf(FileSource.forNdjson({ paths: 'a' })).toEqualTypeOf<FileSource<unknown>>();
    expectTypeOf(FileSource.forNdjson({ paths: 'a', parse: toOrder })).toEqualTypeOf<FileSource<Order>>();
    expectTypeOf(FileSource.forLines({ paths: 'a' })).toEqualTypeOf<FileSource<string>>();
    expectTypeOf(FileSource.forLines({ paths: 'a', parse: Number })).toEqualTypeOf<FileSource<number>>();
    expectTypeOf(FileSource.forCsv({ paths: 'a' })).toEqualTypeOf<FileSource<CsvRecord>>();
    const csv = FileSource.forCsv({
      paths: ['a', 'b'],
      parse: (record) => {
        expectTypeOf(record).toEqualTypeOf<CsvRecord>();
        return { id: record['id'] ?? '', price: Number(record['price']) };
      },
      onInvalid: (invalid): Bad => {
        expectTypeOf(invalid).toEqualTypeOf<InvalidRecord>();
        return { line: invalid.line, reason: invalid.reason };
      },
    });
    expectTypeOf(csv).toEqualTypeOf<FileSource<{ id: string; price: number } | Bad>>();
    const failing = FileSource.forNdjson({ paths: 'a', parse: toOrder, onInvalid: 'fail' });
    expectTypeOf(failing).toEqualTypeOf<FileSource<Order>>();
    expectTypeOf(env.fromSource(failing, WatermarkStrategy.noWatermarks(), 'Orders')).toExtend<
      DataStream<Order>
    >();
    // @ts-expect-error a quoted record may hold line breaks: CSV cannot be read from the middle
    never(() => FileSource.forCsv({ paths: 'a', splitBytes: 1000 }));
    // @ts-expect-error an invalid record is never left out
    never(() => FileSource.forCsv({ paths: 'a', onInvalid: 'skip' }));
  });

  it('of iterables and streams are those of what they give', () => {
    expectTypeOf(env.fromAsyncIterable(orders)).toEqualTypeOf<SingleOutputStreamOperator<Order>>();
    const positioned = env.fromAsyncIterable(
      (after: string | undefined, signal) => {
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
        return after === undefined ? orders : orders;
      },
      { positionOf: (order) => order.id, prefetch: 10 },
    );
    expectTypeOf(positioned).toEqualTypeOf<SingleOutputStreamOperator<Order>>();
    expectTypeOf(env.fromReadable(webOrders)).toEqualTypeOf<SingleOutputStreamOperator<Order>>();
    expectTypeOf(env.fromReadable<Buffer>(Readable.from([]))).toEqualTypeOf<
      SingleOutputStreamOperator<Buffer>
    >();
    expectTypeOf(env.fromReadable(() => webOrders)).toEqualTypeOf<SingleOutputStreamOperator<Order>>();
    const strings = WatermarkStrategy.noWatermarks<string>();
    // @ts-expect-error the strategy is for other records
    never(() => env.fromAsyncIterable(orders, { watermarks: strings }));
    // @ts-expect-error an iterable that is not async is a collection
    never(() => env.fromAsyncIterable([1, 2, 3]));
    // @ts-expect-error the position that is kept is not the one that is asked for
    never(() => env.fromAsyncIterable((_after: number | undefined) => orders, { positionOf: (o) => o.id }));
  });

  it('of an alignment are numbers and a name', () => {
    const strategy = WatermarkStrategy.forMonotonousTimestamps<Order>();
    expectTypeOf(strategy.withWatermarkAlignment('g', 10)).toEqualTypeOf<WatermarkStrategy<Order>>();
    expectTypeOf(strategy.emitsWatermarks).toEqualTypeOf<boolean>();
    // @ts-expect-error the drift has no default
    never(() => strategy.withWatermarkAlignment('g'));
  });
});
