import type { DruidClient } from '@millrace/druid-client';
import { COLUMNS, TABLE } from '../druid-read/flights.js';
import { readByCurl } from '../druid-read/curl.js';
import { SQL_ROWS } from '../druid-read/paths.js';
import type { SourceJob } from './source-job.js';

/** A request for rows, and where it goes. */
interface CurlRequest {
  readonly url: string;
  readonly request: { readonly accept: string; readonly body: unknown };
}

/**
 * What reads every row once over `path`: scans of pinned segments as Smile, one per data server or one through the Broker, or
 * one SQL query in the format that the client asks for.
 */
export async function curlRequests(
  path: SourceJob['path'],
  druid: DruidClient,
  brokerUrl: string,
): Promise<CurlRequest[]> {
  if (path === 'sql') return [{ url: `${brokerUrl}${SQL_ROWS.path}`, request: SQL_ROWS }];
  const byServer = new Map<string, { itvl: string; ver: string; part: number }[]>();
  for (const { interval, version, partitionNumber, locations } of await druid.datasources.segmentServers(
    TABLE,
  )) {
    const url = path === 'direct' ? `http://${locations[0]?.host}` : brokerUrl;
    const segments = byServer.get(url) ?? [];
    segments.push({ itvl: interval, ver: version, part: partitionNumber });
    byServer.set(url, segments);
  }
  return [...byServer].map(([url, segments]) => ({
    url: `${url}/druid/v2`,
    request: {
      accept: 'application/x-jackson-smile',
      body: {
        queryType: 'scan',
        dataSource: TABLE,
        intervals: { type: 'segments', segments },
        columns: COLUMNS,
        batchSize: 4096,
        resultFormat: 'compactedList',
      },
    },
  }));
}

/** Sends all requests at once and throws the answers away; the seconds until the last one is over. */
export async function curlAll(requests: readonly CurlRequest[]): Promise<number> {
  const outcomes = await Promise.all(requests.map(({ url, request }) => readByCurl(url, request)));
  return Math.max(...outcomes.map(({ seconds }) => seconds));
}
