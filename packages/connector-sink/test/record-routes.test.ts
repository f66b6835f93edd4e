import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { druidRoutes, druidSchema, type DruidRoutes } from '../src/index.js';
import { SpoolTargets } from '../src/spool/spool-target.js';
import { FIRST_DAY, flightSchema, type Flight } from './support/sink-harness.js';
import { newWriter } from './support/spool-writers.js';

interface Landing {
  kind: 'landing';
  date: number;
  airport: string;
}
interface Delay {
  kind: 'delay';
  date: number;
  minutes: number;
}
type Event = Landing | Delay;

const landings = druidSchema<Landing>()({
  dataSource: 'landings',
  timestamp: 'date',
  dimensions: { airport: 'string' },
  segmentGranularity: 'day',
});
const delays = druidSchema<Delay>()({
  dataSource: 'delays',
  timestamp: 'date',
  dimensions: { minutes: 'long' },
  segmentGranularity: 'month',
});
const events = druidRoutes<Event>()({ route: 'kind', schemas: { landing: landings, delay: delays } });

describe('druidRoutes', () => {
  it('writes each record into the datasource of its kind, one file for each', async () => {
    const { writer, directory } = await newWriter<Event>({ schema: events });
    for (const airport of ['SFO', 'LAX']) writer.write({ kind: 'landing', date: FIRST_DAY, airport });
    writer.write({ kind: 'delay', date: FIRST_DAY, minutes: 7 });
    const committables = await writer.prepareCommit();
    expect(committables.map(({ dataSchema, rows }) => [dataSchema.dataSource, rows])).toEqual([
      ['landings', 2],
      ['delays', 1],
    ]);
    expect(await readFile(directory.resolve(committables[1]!.file), 'utf8')).toBe(
      `{"__time":${FIRST_DAY},"minutes":7}\n`,
    );
  });

  it('takes a function where every schema takes every record', async () => {
    const schemas = { early: flightSchema('early'), late: flightSchema('late') };
    const route = ({ delay }: Flight) => ((delay ?? 0) > 0 ? 'late' : 'early');
    const { writer } = await newWriter({ schema: druidRoutes<Flight>()({ route, schemas }) });
    for (const delay of [1, 2, null]) writer.write({ date: FIRST_DAY, origin: 'SFO', delay });
    const committables = await writer.prepareCommit();
    expect(committables.map(({ dataSchema, rows }) => `${dataSchema.dataSource} ${rows}`).sort()).toEqual([
      'early 1',
      'late 2',
    ]);
  });

  it('bounds the bytes of all datasources together', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `d${index}`);
    const schemas = Object.fromEntries(names.map((name) => [name, flightSchema(name)]));
    const { writer, directory } = await newWriter({
      schema: druidRoutes<Flight>()({ route: ({ origin }) => origin, schemas }),
      chunkSize: 1e6,
      maxBufferedBytes: 5_000,
    });
    const rows = Array.from({ length: 200 }, (_, i) => ({ date: FIRST_DAY, origin: `d${i % 50}`, delay: i }));
    for (const row of rows) writer.write(row);
    await writer.backPressure();
    expect((await directory.list()).size).toBe(50);
    expect((await writer.prepareCommit()).map(({ rows }) => rows)).toEqual(names.map(() => 4));
  });

  it('refuses a record whose route is no schema, by name', async () => {
    const { writer } = await newWriter<Event>({ schema: events });
    expect(() => {
      writer.write({ kind: 'other' } as unknown as Event);
    }).toThrow(/datasource 'other' cannot be written: its route is 'other', and there is no such schema/);
  });

  it('refuses a record that a function has no route for, as a dead letter where there are such', async () => {
    const schema = druidRoutes<Flight>()({
      route: ({ origin }) => origin as 'a',
      schemas: { a: flightSchema('a') },
    });
    const { writer } = await newWriter({ schema, deadLetters: { dataSource: 'letters' } });
    writer.write({ date: FIRST_DAY, delay: 1 } as Flight);
    const [letter] = await writer.prepareCommit();
    expect([letter?.dataSchema.dataSource, letter?.rows]).toEqual(['letters', 1]);
  });

  it('refuses two schemas, or dead letters, in one datasource', () => {
    const twice = { a: flightSchema('same'), b: flightSchema('same') };
    const make = (schemas: Record<string, typeof twice.a>) =>
      druidRoutes<Flight>()({ route: () => 'a', schemas });
    expect(() => make(twice)).toThrow(/'same' is named twice/);
    expect(() => make({})).toThrow(/names no datasource/);
    const options = { commitIdColumn: null, deadLetters: { dataSource: 'landings' } };
    expect(() => new SpoolTargets<Event>(events, options)).toThrow(/'landings' is named twice/);
  });

  it('is checked by the compiler', () => {
    const two = { landing: landings, delay: delays };
    const typed: DruidRoutes<Event> = druidRoutes<Event>()({ route: 'kind', schemas: two });
    const all = { flights: flightSchema('flights') };
    const wrong = () => [
      // @ts-expect-error -- kind 'delay' has no schema
      druidRoutes<Event>()({ route: 'kind', schemas: { landing: landings } }),
      // @ts-expect-error -- each schema takes records of the other kind
      druidRoutes<Event>()({ route: 'kind', schemas: { landing: delays, delay: landings } }),
      // @ts-expect-error -- a function may name any of them, and landings are no delays
      druidRoutes<Event>()({ route: () => 'delay', schemas: two }),
      // @ts-expect-error -- there is no such schema
      druidRoutes<Flight>()({ route: () => 'other', schemas: all }),
      // @ts-expect-error -- a date is no name
      druidRoutes<Flight>()({ route: 'date', schemas: all }),
    ];
    expect([typed, wrong]).toBeDefined();
  });
});
