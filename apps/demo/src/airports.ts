import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { DemoError } from './failure.js';

export const AIRPORTS_FILE = fileURLToPath(
  new URL('../data/airports.csv', import.meta.resolve('vega-datasets')),
);

const airportSchema = z.object({ iata: z.string().min(1), city: z.string(), state: z.string() });

export type Airport = Readonly<z.infer<typeof airportSchema>>;

/** Airports by IATA code. */
export type Airports = ReadonlyMap<string, Airport>;

/** @throws DemoError where the file is missing or is not a table with `iata`, `city` and `state` */
export async function readAirports(path: string): Promise<Airports> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new DemoError(
      `The airports file ${path} cannot be read. Run \`pnpm install\` to get the one of the package vega-datasets, or name another with --airports.`,
      { cause },
    );
  }
  try {
    const airports = z
      .array(airportSchema)
      .min(1)
      .parse(parse(text, { columns: true, bom: true }));
    return new Map(airports.map((airport) => [airport.iata, airport]));
  } catch (cause) {
    throw new DemoError(
      `${path} is not a table of airports (CSV with the columns iata, city and state). Name another file with --airports.`,
      { cause },
    );
  }
}
