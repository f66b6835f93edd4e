import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** The few calls that these tests make; they cannot use the client of this repository to test what it is tested on. */
export const druidHttp = (url: string, headers: Readonly<Record<string, string>> = {}) => {
  const post = async (path: string, body: unknown): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  };
  const sql = async (query: string): Promise<unknown[][]> => {
    const { status, body } = await post('/druid/v2/sql', { query, resultFormat: 'array' });
    if (status !== 200) throw new Error(`${query}: ${JSON.stringify(body)}`);
    return body as unknown[][];
  };
  const taskState = async (id: string): Promise<string> => {
    const response = await fetch(`${url}/druid/indexer/v1/task/${id}/status`, { headers });
    return ((await response.json()) as { status: { statusCode: string } }).status.statusCode;
  };
  const submit = async (task: object): Promise<string> => {
    const named = { id: `test_${randomUUID()}`, ...task };
    const first = await post('/druid/indexer/v1/task', named);
    // A busy Derby makes Druid answer 500, whether it has taken the task or not: its id tells.
    const { status, body } = first.status === 500 ? await post('/druid/indexer/v1/task', named) : first;
    const isTaken = first.status === 500 && JSON.stringify(body).includes('already exists');
    if (status !== 200 && !isTaken) throw new Error(JSON.stringify(body));
    return named.id;
  };
  const untilDone = async (id: string): Promise<string> => {
    await until(async () => (await taskState(id)) !== 'RUNNING');
    return taskState(id);
  };
  /** Waits for rows; a datasource that the Broker does not know yet counts as empty. */
  const untilRows = async (dataSource: string, expected: number): Promise<void> => {
    const count = (): Promise<unknown[][]> => sql(`SELECT COUNT(*) FROM "${dataSource}"`).catch(() => [[0]]);
    await until(async () => (await count())[0]?.[0] === expected);
  };
  return { post, sql, submit, taskState, untilDone, untilRows };
};

/** Polls a condition; a test's own time-out ends it. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await sleep(25);
};

/** An append of NDJSON rows with a column `t` for the time and a dimension `a`. */
export const appendTask = (dataSource: string, inputSource: object, id?: string): object => ({
  type: 'index_parallel',
  ...(id === undefined ? {} : { id }),
  spec: {
    dataSchema: {
      dataSource,
      timestampSpec: { column: 't', format: 'iso' },
      dimensionsSpec: { dimensions: ['a'] },
      granularitySpec: {
        segmentGranularity: 'day',
        queryGranularity: 'none',
        rollup: false,
        intervals: ['2024-01-01/2024-01-02'],
      },
    },
    ioConfig: { type: 'index_parallel', appendToExisting: true, inputSource, inputFormat: { type: 'json' } },
    tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
  },
  context: { useConcurrentLocks: true },
});
