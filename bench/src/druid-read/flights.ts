import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';

/** Name of the table. */
export const TABLE = 'flights';

/** Its columns, in the order in which they are read. */
export const COLUMNS = ['__time', 'origin', 'destination', 'delay', 'distance'] as const;

/** All rows lie in here. */
export const INTERVAL = '2001-01-01T00:00:00Z/2001-04-01T00:00:00Z';

const START = Date.UTC(2001, 0, 1);
const END = Date.UTC(2001, 3, 1);
const AIRPORTS = [
  'ATL',
  'BOS',
  'DEN',
  'DFW',
  'JFK',
  'LAX',
  'MIA',
  'ORD',
  'PHX',
  'SEA',
  'SFO',
  'SMF',
] as const;

/** Row `i` of `count`: it depends on these numbers only. */
export function flightRow(i: number, count: number) {
  const random = scramble(i);
  return {
    time: START + Math.floor((i * (END - START)) / count / 60_000) * 60_000,
    origin: airport(random),
    destination: airport(random >>> 8),
    delay: ((random >>> 4) % 240) - 30,
    distance: 50 + ((random >>> 12) % 2_600),
  };
}

/** The sum of `delay` and `distance` over all rows. */
export function expectedSum(count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const { delay, distance } = flightRow(i, count);
    sum += delay + distance;
  }
  return sum;
}

/** Writes all rows as NDJSON. */
export async function writeFlights(file: string, count: number): Promise<void> {
  const out = createWriteStream(file);
  let lines: string[] = [];
  for (let i = 0; i < count; i++) {
    lines.push(JSON.stringify(flightRow(i, count)));
    if (lines.length < 10_000 && i + 1 < count) continue;
    if (!out.write(`${lines.join('\n')}\n`)) await once(out, 'drain');
    lines = [];
  }
  out.end();
  await finished(out);
}

/** A task that loads the NDJSON files of `folder` into `dataSource`, replacing what is there. */
export function loadTask(folder: string, dataSource: string = TABLE) {
  return {
    type: 'index_parallel',
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: { column: 'time', format: 'millis' },
        dimensionsSpec: {
          dimensions: [
            'origin',
            'destination',
            { type: 'long', name: 'delay' },
            { type: 'long', name: 'distance' },
          ],
        },
        granularitySpec: {
          segmentGranularity: 'month',
          queryGranularity: 'none',
          rollup: false,
          intervals: [INTERVAL],
        },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'local', baseDir: folder, filter: '*.ndjson' },
        inputFormat: { type: 'json' },
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
    },
  };
}

const airport = (random: number): string => AIRPORTS[random % AIRPORTS.length] as string;

/** The finalizer of MurmurHash3: neighbours get numbers that have nothing in common. */
function scramble(i: number): number {
  let h = i | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
