import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { druidRoutes } from '../src/index.js';
import { resolveSinkOptions } from '../src/sink-options.js';
import { FIRST_DAY, flightSchema, type Flight } from './support/sink-harness.js';
import { newWriter } from './support/spool-writers.js';

describe('Dead letters of the writer', () => {
  it('are rows of another datasource in the same checkpoint, with reason and record', async () => {
    const { writer, directory, clock, metrics } = await newWriter({ deadLetters: { dataSource: 'letters' } });
    clock.advance(5);
    writer.write({ date: FIRST_DAY, origin: 'SFO', delay: 1.5 });
    writer.write({ date: FIRST_DAY, origin: 'LAX', delay: 1 });
    const committables = await writer.prepareCommit();
    expect(committables.map(({ dataSchema, rows }) => `${dataSchema.dataSource} ${rows}`).sort()).toEqual([
      'flights 1',
      'letters 1',
    ]);
    const letters = committables.find(({ dataSchema }) => dataSchema.dataSource === 'letters');
    expect(JSON.parse(await readFile(directory.resolve(letters!.file), 'utf8'))).toEqual({
      __time: FIRST_DAY + 5,
      dataSource: 'flights',
      column: 'delay',
      reason: '1.5 is not an integer',
      record: `{"date":${FIRST_DAY},"origin":"SFO","delay":1.5}`,
    });
    expect(letters?.dataSchema.dimensionsSpec.dimensions.map(({ name }) => name)).toEqual([
      'dataSource',
      'column',
      'reason',
      'record',
      '__commit_id',
    ]);
    expect(metrics.registry.value('operator_numInvalidRecords')).toBe(1);
  });

  it('hold records that have no route, and texts that UTF-8 has not', async () => {
    const { writer, directory } = await newWriter({
      schema: druidRoutes<Flight>()({ route: 'origin', schemas: { SFO: flightSchema('sfo') } }),
      deadLetters: { dataSource: 'letters', segmentGranularity: 'hour' },
      context: {
        ...(await newWriter()).context,
        describer: { describeRecord: () => 'secret \ud800', describeError: String },
      },
    });
    writer.write({ date: FIRST_DAY, origin: 'lone \ud800', delay: null });
    const [letters] = await writer.prepareCommit();
    expect(letters?.dataSchema.granularitySpec.segmentGranularity).toBe('HOUR');
    expect(JSON.parse(await readFile(directory.resolve(letters!.file), 'utf8'))).toMatchObject({
      dataSource: 'lone \ufffd',
      reason: "its route is 'lone \ufffd', and there is no such schema",
      record: 'secret \ufffd',
    });
  });

  it('are refused beside onInvalidRecord: a record has one way to go', () => {
    const options = {
      druid: { url: 'http://localhost' },
      schema: flightSchema('flights'),
      spoolDirectory: 'spool',
      deadLetters: { dataSource: 'letters' },
      onInvalidRecord: 'fail' as const,
    };
    expect(() => resolveSinkOptions(options)).toThrow(/'onInvalidRecord'.*leave one of them out/);
  });
});
