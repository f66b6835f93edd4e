import { describe, expect, it } from 'vitest';
import { AIRPORTS_FILE, readAirports } from '../src/airports.js';

describe('readAirports', () => {
  it('reads quoted fields of the real file', async () => {
    const airports = await readAirports(AIRPORTS_FILE);
    expect(airports.size).toBe(3376);
    expect(airports.get('N25')).toEqual({ iata: 'N25', city: 'Westport, NY', state: 'NY' });
    expect(airports.get('SFO')?.city).toBe('San Francisco');
  });

  it('says what to do about a file that is missing', async () => {
    await expect(readAirports('/no/such.csv')).rejects.toThrow(/cannot be read\. Run `pnpm install`/);
  });
});
