/** `/druid/v2`: SQL, native queries and their cancellation. */

import type { Catalog } from './catalog.js';
import { notSupported } from './druid-error.js';
import type { Router } from './router.js';
import type { RunningQueries } from './running-queries.js';
import { answerNative } from './native-endpoint.js';
import { segmentLocations } from './segment-locations.js';
import { answerSql, readJsonBody } from './sql-endpoint.js';
import type { Store } from './store.js';
import type { SystemTables } from './system-tables.js';

export interface QueryApiOptions {
  catalog: Catalog;
  system: SystemTables;
  queries: RunningQueries;
  store: Store;
  /** This server as `host:port`: the Historical of all segments. */
  server: string;
  now(): number;
}

export function addQueryRoutes(router: Router, options: QueryApiOptions): void {
  const { catalog, queries } = options;
  const refuse = (what: string) => (): Promise<void> => Promise.reject(notSupported(what));
  router
    .on('POST /druid/v2/sql', ({ body }, answer) => answerSql(body, answer, options))
    .on('DELETE /druid/v2/sql/{id}', ({ params }, answer) =>
      answer.send(queries.cancel(params['id'] ?? '') ? 202 : 404, ''),
    )
    .on('POST /druid/v2', (request, answer) => answerNative(request, answer, options))
    .on('POST /druid/v2/candidates', ({ body }, answer) =>
      answer.json(segmentLocations(readJsonBody(body), catalog, options.server)),
    )
    .on('DELETE /druid/v2/{id}', ({ params }, answer) => {
      queries.cancel(params['id'] ?? '');
      return answer.send(202, '');
    })
    .on('GET /druid/v2/datasources', (_, answer) =>
      answer.json(catalog.dataSources().map(({ name }) => name)),
    )
    .on('POST /druid/v2/sql/task', refuse('The multi-stage query engine'))
    .on('POST /druid/v2/sql/statements', refuse('The multi-stage query engine'));
}
