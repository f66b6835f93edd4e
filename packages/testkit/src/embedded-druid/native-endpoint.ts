/** `POST /druid/v2`: reads a native query, plans it and writes Druid's answer. */

import { randomUUID } from 'node:crypto';
import type { AnswerStream } from './answer.js';
import type { Catalog } from './catalog.js';
import { notSupported, unreadableRequest } from './druid-error.js';
import { aggregations, planGroupBy, type ResultField, timeseriesSql } from './native-aggregate.js';
import { dataSourceMetadataJson, segmentMetadataJson, timeBoundaryJson } from './native-metadata.js';
import { type Json, resolveQuery } from './native-query.js';
import { answerScan } from './native-scan.js';
import type { Request } from './router.js';
import { type CellWriter, jsonCell } from './result-text.js';
import type { RunningQueries } from './running-queries.js';
import { SMILE_TYPE } from './smile-bytes.js';
import { readJsonBody } from './sql-endpoint.js';
import type { Store } from './store.js';

export interface NativeOptions {
  catalog: Catalog;
  queries: RunningQueries;
  store: Pick<Store, 'rows'>;
}

const KNOWN =
  'dataSourceMetadata, groupBy, scan, search, segmentMetadata, select, timeBoundary, timeseries, topN, union, windowOperator';

export async function answerNative(
  { body, accept }: Pick<Request, 'body' | 'accept'>,
  answer: AnswerStream,
  { catalog, queries, store }: NativeOptions,
): Promise<void> {
  const query = readJsonBody(body);
  const context = (query['context'] ?? {}) as Json;
  const id = String(context['queryId'] ?? randomUUID());
  const timeout = Number(context['timeout'] ?? 0);
  const run = { id, timeoutMs: timeout > 0 ? timeout : undefined };
  answer.header('X-Druid-Query-Id', id);
  answer.header('X-Druid-Response-Context', '{}');
  switch (query['queryType']) {
    case 'scan':
      // Druid compares the whole header.
      return answerScan(
        resolveQuery(query, catalog, 'scan.ScanQuery'),
        { catalog, queries, run, isSmile: accept === SMILE_TYPE },
        answer,
      );
    case 'timeseries': {
      const resolved = resolveQuery(query, catalog, 'timeseries.TimeseriesQuery');
      const fields = aggregations(resolved);
      const { limit } = query;
      const sql =
        timeseriesSql(resolved, catalog, fields) +
        (typeof limit === 'number' && limit > 0 ? ` LIMIT ${limit}` : '');
      return rows(
        queries,
        { ...run, sql },
        fields,
        answer,
        (time, cells) => `{"timestamp":${time},"result":{${cells}}}`,
      );
    }
    case 'groupBy': {
      const { sql, fields } = planGroupBy(resolveQuery(query, catalog, 'groupby.GroupByQuery'), catalog);
      return rows(
        queries,
        { ...run, sql },
        fields,
        answer,
        (time, cells) => `{"version":"v1","timestamp":${time},"event":{${cells}}}`,
      );
    }
    case 'timeBoundary':
      return answer.json(
        timeBoundaryJson(resolveQuery(query, catalog, 'timeboundary.TimeBoundaryQuery', false)),
      );
    case 'dataSourceMetadata':
      return answer.json(
        dataSourceMetadataJson(
          resolveQuery(query, catalog, 'datasourcemetadata.DataSourceMetadataQuery', false),
        ),
      );
    case 'segmentMetadata': {
      const resolved = resolveQuery(query, catalog, 'metadata.metadata.SegmentMetadataQuery', false);
      return answer.json(await segmentMetadataJson(resolved, catalog, store));
    }
    default: {
      const type = String(query['queryType']);
      if (KNOWN.split(', ').includes(type)) throw notSupported(`The query type [${type}]`);
      throw unreadableRequest(
        `Please make sure to load all the necessary extensions and jars with type '${type}' on 'druid/router' service. Could not resolve type id '${type}' as a subtype of \`org.apache.druid.query.Query\` known type ids = [${KNOWN}]`,
        'com.fasterxml.jackson.databind.exc.InvalidTypeIdException',
      );
    }
  }
}

/** Writes rows whose first column is the time of the bucket. */
async function rows(
  queries: RunningQueries,
  query: { id: string; sql: string; timeoutMs: number | undefined },
  fields: readonly ResultField[],
  answer: AnswerStream,
  row: (time: string, cells: string) => string,
): Promise<void> {
  const time = jsonCell('time');
  const writers: CellWriter[] = fields.map(({ kind }) => jsonCell(kind));
  const labels = fields.map(({ name }) => `${JSON.stringify(name)}:`);
  await queries.run(query, async (chunks) => {
    let started = false;
    for await (const chunk of chunks) {
      const buckets = chunk.getColumnVector(0);
      const vectors = fields.map((_, index) => chunk.getColumnVector(index + 1));
      const texts: string[] = [];
      for (let at = 0; at < chunk.rowCount; at += 1) {
        const cells = vectors.map(
          (vector, index) => `${labels[index]}${writers[index]?.(vector, at) ?? 'null'}`,
        );
        texts.push(row(time(buckets, at) ?? 'null', cells.join(',')));
      }
      await answer.write((started ? ',' : '[') + texts.join(','));
      started = true;
    }
    await answer.write(started ? ']' : '[]');
  });
}
