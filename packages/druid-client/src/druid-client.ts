import { DruidClusterApi } from './cluster.js';
import { DruidDatasources } from './datasources.js';
import { DruidNative } from './native.js';
import type { DruidClientOptions } from './options.js';
import { DruidSql } from './sql.js';
import { DruidSupervisors } from './supervisors.js';
import { DruidTasks } from './tasks.js';
import { Transport } from './transport.js';

/**
 * A client of one Druid cluster, addressed through its Router. Construction does no I/O; one client serves any number
 * of concurrent calls and keeps its connections until {@link DruidClient.close}.
 *
 * @example
 * const druid = new DruidClient({ url: 'http://localhost:8888' });
 * console.log(await druid.sql.query('SELECT 1 AS one')); // [{ one: 1 }]
 * druid.close();
 * @throws DruidConfigError
 */
export class DruidClient {
  readonly sql: DruidSql;
  readonly native: DruidNative;
  readonly tasks: DruidTasks;
  readonly supervisors: DruidSupervisors;
  readonly datasources: DruidDatasources;
  readonly cluster: DruidClusterApi;
  private readonly transport: Transport;

  constructor(options: DruidClientOptions) {
    this.transport = new Transport(options);
    this.sql = new DruidSql(this.transport);
    this.native = new DruidNative(this.transport);
    this.tasks = new DruidTasks(this.transport);
    this.supervisors = new DruidSupervisors(this.transport);
    this.datasources = new DruidDatasources(this.transport, this.sql);
    this.cluster = new DruidClusterApi(this.transport);
  }

  /** The address without credentials: safe to log. */
  get url(): string {
    return this.transport.baseUrl;
  }

  /** Ends what is under way (in {@link DruidAbortedError}) and frees the connections. */
  close(): void {
    this.transport.close();
  }
}
