import type { SqlResultFormat } from '@millrace/druid-client';
import { COLUMNS, INTERVAL, TABLE } from './flights.js';

/** Where a request goes: to the Broker, which merges, or to a data server directly. */
export type Server = 'broker' | 'historical';

/** A way to read the table: what is asked, which `curl` repeats as it is, and who reads the answer. */
export interface ReadPath {
  readonly name: string;
  readonly server: Server;
  readonly reader: 'sql' | 'bytes' | 'scan' | 'plywood-druid-requester' | 'pydruid';
  /** Of the rows that the reader hands out, or of the answer. */
  readonly format: string;
  readonly request: {
    readonly path: string;
    readonly accept: string;
    readonly body: Readonly<Record<string, unknown>>;
  };
}

export const SQL = `SELECT ${COLUMNS.map((name) => `"${name}"`).join(', ')} FROM "${TABLE}"`;

export const SCAN = {
  dataSource: TABLE,
  intervals: [INTERVAL],
  columns: [...COLUMNS],
  batchSize: 4_096,
} as const;

const JSON_TYPE = 'application/json';
const scan = {
  path: '/druid/v2',
  accept: JSON_TYPE,
  body: { ...SCAN, queryType: 'scan', resultFormat: 'compactedList' },
};
const smileScan = { ...scan, accept: 'application/x-jackson-smile' };
const sql = (body: Readonly<Record<string, unknown>>) => ({
  path: '/druid/v2/sql',
  accept: JSON_TYPE,
  body: { query: SQL, ...body },
});

/** As `sql.stream` asks for rows. */
export const SQL_ROWS = sql({
  resultFormat: 'arrayLines',
  header: true,
  typesHeader: true,
  sqlTypesHeader: true,
});
const bytes = (resultFormat: SqlResultFormat): ReadPath => ({
  name: `sql-${resultFormat}-bytes`,
  server: 'broker',
  reader: 'bytes',
  format: resultFormat,
  request: sql({ resultFormat }),
});
const broker = { server: 'broker' } as const;
const historical = { server: 'historical' } as const;

/** The client's own paths, then those of its peers. */
export const PATHS: readonly ReadPath[] = [
  { ...broker, name: 'sql-rows-as-objects', reader: 'sql', format: 'object', request: SQL_ROWS },
  { ...broker, name: 'sql-rows-as-arrays', reader: 'sql', format: 'array', request: SQL_ROWS },
  bytes('object'),
  bytes('objectLines'),
  bytes('array'),
  bytes('arrayLines'),
  bytes('csv'),
  { ...broker, name: 'scan-json', reader: 'scan', format: 'json', request: scan },
  { ...broker, name: 'scan-smile', reader: 'scan', format: 'smile', request: smileScan },
  { ...historical, name: 'scan-json-historical', reader: 'scan', format: 'json', request: scan },
  { ...historical, name: 'scan-smile-historical', reader: 'scan', format: 'smile', request: smileScan },
  {
    ...broker,
    name: 'pydruid',
    reader: 'pydruid',
    format: 'tuple',
    request: sql({ context: {}, header: false }),
  },
  {
    ...broker,
    name: 'plywood-druid-requester',
    reader: 'plywood-druid-requester',
    format: 'object',
    request: sql({ resultFormat: 'object' }),
  },
];
